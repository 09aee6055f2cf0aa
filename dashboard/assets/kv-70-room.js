/* The page of one room: big numbers, pleth, trend, alarms and what a nurse can do. */
(function (kv) {
  "use strict";

  kv.views.room = function (container, roomId) {
    const heading = kv.el("h1", { class: "room-name" });
    const facts = kv.el("span", { class: "room-facts" });
    const dose = kv.el("span", { class: "room-dose" });
    const phase = kv.el("span", { class: "room-phase" });
    const next = kv.el("span", { class: "room-next" });
    const away = kv.el("span", { class: "room-off" });
    const unrecorded = kv.el("span", { class: "room-unrecorded", role: "status", hidden: true });
    const relative = kv.el("span", { class: "room-relative", hidden: true }, "relative limits OFF");
    const noSession = kv.el("p", { class: "room-nosession" }, "NO SESSION – not recorded, no alarms");
    const vitals = ["spo2", "pulse", "nibp"].map((kind) => kv.vital(kind));
    const small = ["rr", "pi"].map((kind) => kv.vital(kind));
    const pleth = kv.pleth();
    const chart = kv.chart();
    const alarms = kv.alarmList(roomId, "room");
    const notes = kv.el("ul", { class: "annotations" });
    const calm = kv.el("p", { class: "calm" });
    const rulesOff = kv.rulesOff("room");
    const acting = kv.acting(roomId);
    const lists = kv.roomLists(acting);
    const goTo = kv.owedPlaces(acting, (tab) => stage.choose(tab));
    const scores = kv.scores(acting);
    const score = (id) => {
      stage.choose("scores");
      scores.update();
      scores.to(id);
    };
    const actions = kv.roomActions(acting, score);
    const checkin = kv.checkin(acting);
    const emergency = kv.emergency(acting);
    const discharge = kv.discharge(acting, goTo);
    const tab = (id, label, body, more) => ({ id, label, node: kv.el("div", { class: "stage-tab tab-" + id }, body), ...more });
    const trend = kv.el("div", { class: "trend" }, kv.el("div", { class: "room-pleth" }, pleth.node), kv.el("div", { class: "room-trend" }, chart.node));
    const acts = () => !kv.central.here;
    const asked = (session) => Boolean(session) && acts() && kv.care.known();
    const stage = kv.stage([
      tab("trend", "Trend", trend),
      tab("emergency", "Emergency", emergency.node, { shown: (session) => acts() && Boolean(session) && session.phase === "EMERGENCY" }),
      tab("checkin", "Check-in", checkin.node, { shown: asked, badge: () => (checkin.open() ? String(checkin.open()) : "✓") }),
      tab("scores", "Scores", scores.node, { shown: asked }),
      tab("discharge", "Discharge", discharge.node, { shown: (session) => acts() && Boolean(session), badge: () => owedBadge() }),
    ]);
    const missing = kv.el("p", { class: "empty", hidden: true });
    const panel = (title, className, ...children) =>
      kv.el("section", { class: "panel " + className }, kv.el("h2", {}, title), ...children);
    const given = panel("Given", "room-given", kv.actArea({}, actions.given));
    const adverse = panel("Adverse events", "room-adverse", kv.actArea({}, actions.adverse));
    const node = kv.el(
      "div",
      { class: "room", "data-room": roomId },
      kv.el("header", { class: "room-head" }, heading, dose, phase, facts, away, unrecorded, relative, next, noSession),
      kv.el(
        "div",
        { class: "room-vitals" },
        ...vitals.map((vital) => vital.node),
        kv.el("div", { class: "room-small" }, ...small.map((vital) => vital.node)),
      ),
      kv.el("section", { class: "panel room-stage" }, stage.bar, stage.node),
      kv.el(
        "div",
        { class: "room-side" },
        panel("Alarms", "room-alarms", actions.audio, alarms.node, calm, rulesOff.node, notes),
        kv.el(
          "div",
          { class: "room-rest" },
          acting.sheets.node,
          panel("Act", "room-acts", actions.node),
          panel("Due", "room-due", lists.due),
          given,
          adverse,
          panel("Events", "room-marks", lists.marks),
          panel("Devices", "room-devices", lists.devices),
        ),
      ),
    );
    let restored = false;

    const owedBadge = () => {
      const room = kv.model.rooms.get(roomId);
      return room && room.care && room.care.owed.length ? room.care.owed.length + " owed" : "";
    };

    /** All acts, in the order in which the one needs the other. */
    function updateActs(room, nowUs) {
      const session = room.session;
      acting.update(room, nowUs);
      stage.update(session);
      acting.sheets.update();
      actions.update(room, nowUs);
      const shown = stage.chosen();
      discharge.update();
      for (const [id, part] of Object.entries({ checkin, scores, emergency })) if (shown === id) part.update();
      kv.attr(node, "data-tab", shown);
      kv.attr(node, "data-emergency", session && session.phase === "EMERGENCY" ? "yes" : null);
      kv.show(given, Boolean(session) && session.doses.length > 0);
      kv.show(adverse, Boolean(session) && Object.keys(session.adverse).length > 0);
      lists.update(room, nowUs);
      kv.onlyMine(node);
      if (restored || !kv.model.version) return;
      restored = true;
      acting.sheets.restore();
    }
    container.append(node, missing);
    let frame = 0;
    let drawnMs = 0;

    function head(room, nowUs) {
      const session = room.session;
      kv.text(heading, room.label);
      kv.text(facts, session ? session.subject_ref + " · " + kv.words.route(session.route) : "");
      kv.text(dose, session ? kv.words.dose(session, nowUs) : "");
      kv.text(phase, session ? kv.words.phase(session.phase) : "");
      kv.text(away, kv.words.off(session, nowUs) + (session && session.off_reason ? " · " + session.off_reason : ""));
      kv.show(away, Boolean(session) && session.off_since_us !== null);
      kv.text(unrecorded, kv.words.unrecorded(session));
      kv.show(unrecorded, unrecorded.textContent !== "");
      // without a frozen baseline nothing is judged by how far it has moved
      kv.show(relative, Boolean(session) && session.dose_us !== null && !("nibp_sys" in session.baseline));
      const due = kv.nextDue(room, nowUs);
      kv.text(next, due.text);
      kv.attr(next, "data-due", due.state);
      kv.show(noSession, !session);
      kv.attr(node, "data-session", session ? session.id : "none");
    }

    function calmWords(room, live) {
      if (!room.session) return "No session: no alarms.";
      return live ? "No alarms." : "Not known.";
    }

    let noted = "";
    function showNotes(room) {
      const texts = kv.model.annotations(room).map((alarm) => alarm.text || kv.alarmWords.name(alarm));
      if (texts.join("\n") === noted) return;
      noted = texts.join("\n");
      notes.replaceChildren(...texts.map((text) => kv.el("li", {}, "Note: " + text)));
    }

    function update() {
      const room = kv.model.rooms.get(roomId);
      kv.show(node, Boolean(room));
      kv.show(missing, !room && Boolean(kv.model.version));
      kv.text(missing, room ? "" : kv.central.here ? "The centre knows no room “" + roomId + "”. See all sites." : "There is no room “" + roomId + "” at this station. See all rooms.");
      if (!room) return;
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live(roomId);
      head(room, nowUs);
      vitals.forEach((vital) => vital.update(room, nowUs, live));
      small.forEach((vital) => {
        vital.update(room, nowUs, live);
        kv.show(vital.node, vital.node.dataset.shown !== "none");
      });
      const shown = alarms.update(room, nowUs, live);
      const calling = shown.filter(kv.alarmWords.calls);
      kv.attr(node, "data-worst", calling.length ? calling[0].priority : null);
      kv.attr(node, "data-off", room.session && room.session.off_since_us !== null ? "yes" : null);
      kv.text(calm, shown.length ? "" : calmWords(room, live));
      rulesOff.update(kv.model.rulesOff(room).map((alarm) => [room, alarm]), nowUs);
      showNotes(room);
      updateActs(room, nowUs);
    }

    function tick() {
      update();
      const room = kv.model.rooms.get(roomId);
      if (!room || document.hidden || performance.now() - drawnMs < 950) return;
      drawnMs = performance.now();
      if (stage.chosen() === "trend") chart.draw(room, kv.clock.nowUs());
    }

    function sweep() {
      const room = kv.model.rooms.get(roomId);
      if (room) {
        pleth.feed(room);
        pleth.frame();
      }
      frame = requestAnimationFrame(sweep);
    }
    frame = requestAnimationFrame(sweep);

    return {
      title: roomId,
      waves: [roomId],
      update,
      tick,
      rebuild: tick,
      unmount() {
        cancelAnimationFrame(frame);
        actions.remove();
        chart.remove();
      },
    };
  };
})(window.kv);
