/* Hand-over: what the next person must know of a room, to be read in half a minute or printed. Made
   of the messages alone; it stays current as long as it is open. */
(function (kv) {
  "use strict";

  const RECENT_US = 30 * 60e6; // events that are told
  const MOST_EVENTS = 8;

  const agoOf = (us, nowUs) => (nowUs === null ? kv.words.time(us) : kv.words.age((nowUs - us) / kv.US) + " ago");
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(Math.round(value));
  const words = (...parts) => parts.filter(Boolean).join(" · ");

  function number(room, channel, nowUs, live) {
    const numeric = kv.numeric(room, channel, nowUs, live);
    const judged = kv.judge(numeric, nowUs, live);
    if (judged.state === "none") return "";
    const flag = kv.BY_HAND.find((each) => numeric.flags.includes(each));
    const age = judged.ageS < 2 ? "now" : agoOf(numeric.at_us, nowUs);
    return words(kv.CHANNELS[channel].label + " " + judged.text, age, flag && kv.BADGES[flag][0] + " " + kv.BADGES[flag][1]);
  }

  function vitals(room, nowUs, live) {
    const pulse = kv.pulseChannel(room, nowUs, live);
    const rows = ["spo2", pulse, "rr"].map((channel) => number(room, channel, nowUs, live)).filter(Boolean);
    return rows.length ? rows : ["no SpO₂, no pulse"];
  }

  function pressure(room, nowUs) {
    const [sys, dia] = [room.numerics.nibp_sys, room.numerics.nibp_dia];
    if (!sys || !dia || sys.value === null || dia.value === null) return ["no blood pressure yet"];
    const { nibp_sys: fromSys, nibp_dia: fromDia } = room.session.baseline;
    const flag = kv.BY_HAND.find((each) => sys.flags.includes(each));
    const value = "BP " + kv.words.value("nibp_sys", sys.value) + "/" + kv.words.value("nibp_dia", dia.value);
    const rows = [words(value, agoOf(sys.at_us, nowUs), flag && kv.BADGES[flag][0] + " " + kv.BADGES[flag][1])];
    if (fromSys === undefined || fromDia === undefined) rows.push("no baseline");
    else {
      const change = signed(sys.value - fromSys) + "/" + signed(dia.value - fromDia);
      rows.push("baseline " + Math.round(fromSys) + "/" + Math.round(fromDia) + ", now " + change);
    }
    return rows;
  }

  function doses(room) {
    const session = room.session;
    const rows = session.doses.map((dose) =>
      words(kv.words.time(dose.at_us) + " " + dose.kind, kv.care.dose(session, dose.drug, dose.mg), dose.by && "by " + dose.by),
    );
    if (!rows.length) rows.push(session.dose_us === null ? "no dose yet" : "dose at " + kv.words.time(session.dose_us));
    if (session.infusion_end_us !== null) rows.push("infusion ended " + kv.words.time(session.infusion_end_us));
    return rows;
  }

  function scores(room, nowUs) {
    return Object.entries(room.session.scores).map(([id, score]) => {
      const scale = kv.care.scale(id);
      return words((scale ? kv.care.brief(scale) : id) + " " + score.value, score.text, agoOf(score.at_us, nowUs));
    });
  }

  function alarmWords(alarm, room, nowUs, live) {
    const level = kv.alarmWords.level(alarm, room).word;
    const seen = alarm.acked_by ? "acknowledged by " + alarm.acked_by : "NOT acknowledged";
    const message = level + ": " + kv.alarmWords.message(alarm, room, nowUs, live);
    return words(message, alarm.condition === "latched" && "ended", seen);
  }

  function alarms(room, nowUs, live) {
    const rows = kv.model.alarms(room).map((alarm) => alarmWords(alarm, room, nowUs, live));
    const off = kv.model.rulesOff(room);
    return [...rows, ...off.map((alarm) => kv.alarmWords.name(alarm) + " " + kv.alarmWords.ruleOff(alarm, nowUs))];
  }

  function away(room, nowUs) {
    const said = kv.words.off(room.session, nowUs);
    return said ? [words(said, room.session.off_reason)] : [];
  }

  function events(room, nowUs) {
    const recent = room.marks.filter((mark) => nowUs === null || nowUs - mark.at_us <= RECENT_US);
    return recent.slice(-MOST_EVENTS).map((mark) => words(kv.words.time(mark.at_us) + " " + kv.words.mark(mark), mark.by));
  }

  function adverse(room) {
    const events = Object.values(room.session.adverse || {});
    return events.map((event) => words(event.what, event.severity, event.outcome, event.serious && "SERIOUS"));
  }

  function lastAct(room, nowUs) {
    const last = room.session.last;
    return last && last.by ? [words(last.by, String(last.what || "").replaceAll("_", " "), agoOf(last.at_us, nowUs))] : [];
  }

  // [heading, rows of a room]: what is empty is left out, unless `none` says so
  const PARTS = [
    ["Alarms", alarms, "none"],
    ["Off monitor", away],
    ["Vitals", vitals],
    ["Blood pressure", pressure],
    ["Given", doses],
    ["Next", (room, nowUs) => kv.coming(room, nowUs).slice(0, 4).map((each) => each.text), "nothing is due"],
    ["Owed in the record", (room) => (room.care ? room.care.owed.map(([, said]) => said) : [])],
    ["Concerns", (room) => (room.care && room.care.gate.concerns) || []],
    ["Scores", scores],
    ["Adverse events", adverse],
    ["Last 30 min", events, "no events"],
    ["Acted last", lastAct],
  ];

  function part([heading, rowsOf, none]) {
    const list = kv.el("ul");
    const node = kv.el("section", { class: "hand-part", "data-part": heading }, kv.el("h3", {}, heading), list);
    let drawn = null;
    return {
      node,
      update(room, nowUs, live) {
        const rows = rowsOf(room, nowUs, live);
        kv.show(node, rows.length > 0 || none !== undefined);
        const shown = rows.length ? rows : [none || ""];
        if (shown.join("\n") === drawn) return;
        drawn = shown.join("\n");
        list.replaceChildren(...shown.map((row) => kv.el("li", {}, row)));
      },
    };
  }

  function card(roomId) {
    const name = kv.el("a", { class: "hand-room", href: "/room/" + encodeURIComponent(roomId), onclick: kv.follow });
    const who = kv.el("p", { class: "hand-who" });
    const clock = kv.el("p", { class: "hand-clock" });
    const parts = PARTS.map(part);
    const none = kv.el("p", { class: "hand-none" }, "NO SESSION – not recorded, no alarms");
    const body = kv.el("div", { class: "hand-parts" }, ...parts.map((each) => each.node));
    const head = kv.el("header", {}, kv.el("h2", {}, name), who, clock);
    const node = kv.el("article", { class: "hand", "data-room": roomId }, head, none, body);
    return {
      node,
      update(room, nowUs, live) {
        const session = room.session;
        kv.text(name, room.label);
        kv.text(who, session ? words(session.subject_ref, kv.words.route(session.route)) : "");
        kv.text(clock, session ? words(kv.words.phase(session.phase), kv.words.dose(session, nowUs), kv.words.unrecorded(session)) : "");
        kv.attr(node, "data-session", session ? session.id : "none");
        const worst = kv.model.alarms(room).find(kv.alarmWords.calls);
        kv.attr(node, "data-worst", worst ? worst.priority : null);
        kv.show(none, !session);
        kv.show(body, Boolean(session));
        if (session) parts.forEach((each) => each.update(room, nowUs, live));
      },
    };
  }

  kv.views.handover = function (container, only) {
    const made = kv.el("p", { class: "facts" });
    const print = kv.el("button", { type: "button", class: "hand-print", onclick: () => window.print() }, "Print");
    const back = kv.el("a", { class: "hand-back", onclick: kv.follow, href: only ? "/room/" + encodeURIComponent(only) : "/" });
    const cards = kv.el("div", { class: "hand-cards" });
    const empty = kv.el("p", { class: "empty" });
    const head = kv.el("header", { class: "hand-head" }, kv.el("h1", {}, "Hand-over"), made, back, print);
    container.append(kv.el("div", { class: "page hand-page" }, head, cards, empty));
    const keep = kv.keyed(card);
    let drawnMs = -Infinity;

    function update() {
      if (performance.now() - drawnMs < 450) return; // read, not watched
      drawnMs = performance.now();
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
      const rooms = [...kv.model.rooms.values()].filter((room) => !only || room.id === only);
      const all = kv.nextOfAll(nowUs).map((next) => next.room.id);
      // those with a session first, the most pressing before the others
      const order = (room) => (room.session ? (all.includes(room.id) ? all.indexOf(room.id) : 90) : 99);
      rooms.sort((a, b) => order(a) - order(b));
      const shown = keep(rooms.map((room) => room.id));
      shown.forEach((each, i) => each.update(rooms[i], nowUs, live));
      kv.arrange(cards, shown.map((each) => each.node));
      kv.text(back, only ? (rooms[0] ? rooms[0].label : only) : "All rooms");
      kv.text(made, live && nowUs !== null ? "As of " + kv.words.time(nowUs, true) + ". Pseudonyms only." : "NO DATA: not current.");
      kv.text(empty, rooms.length || !kv.model.version ? "" : "There is no room “" + only + "” at this station.");
    }
    function rebuild() {
      drawnMs = -Infinity;
      update();
    }
    return { title: "Hand-over", waves: [], update, tick: update, rebuild, unmount() {} };
  };
})(window.kv);
