/* The tile of one room on the page of all rooms: readable from three metres. */
(function (kv) {
  "use strict";

  const NO_SESSION = "NO SESSION – not recorded, no alarms";

  const SHORT = { intranasal: "IN", sublingual: "SL" }; // routes, where there is little room

  function subject(session) {
    return session ? session.subject_ref + " · " + (SHORT[session.route] || kv.words.route(session.route)) : "";
  }

  /** @returns {node, update(room, nowUs, live)} */
  kv.tile = function (roomId) {
    const path = "/room/" + encodeURIComponent(roomId);
    const name = kv.el("a", { class: "tile-room", href: path, onclick: (event) => kv.follow(event) });
    const dose = kv.el("span", { class: "tile-dose" });
    const who = kv.el("span", { class: "tile-who" });
    const phase = kv.el("span", { class: "tile-phase" });
    const unrecorded = kv.el("span", { class: "tile-unrecorded", hidden: true });
    const vitals = ["spo2", "pulse", "nibp"].map((kind) => kv.vital(kind));
    const lines = [kv.sparkline(), kv.sparkline()];
    const calm = kv.el("span", { class: "tile-calm" });
    const lineBox = kv.el("div", { class: "tile-lines" }, lines[0].node, lines[1].node, calm);
    const alarms = kv.alarmList(roomId, "tile");
    const rulesOff = kv.rulesOff("tile");
    const noSession = kv.el("p", { class: "tile-nosession" }, NO_SESSION);
    const dueName = kv.el("span", { class: "tile-due-name" });
    const dueWhen = kv.el("span", { class: "tile-due-when" });
    const due = kv.el("span", { class: "tile-due" }, dueName, " ", dueWhen);
    const own = kv.el("span", { class: "tile-own" });
    const which = kv.el("span", { class: "tile-which", role: "status", hidden: true });
    const body = kv.el(
      "div",
      { class: "tile-body" },
      kv.el(
        "header",
        { class: "tile-head" },
        name,
        kv.el("div", { class: "tile-facts" }, which, who, unrecorded, phase),
        kv.el("div", { class: "tile-clock" }, dose, own),
      ),
      kv.el("div", { class: "tile-vitals" }, ...vitals.map((vital) => vital.node)),
      kv.el("div", { class: "tile-low" }, alarms.node, noSession, lineBox),
      kv.el("footer", { class: "tile-foot" }, due, rulesOff.node),
    );
    const node = kv.el("article", { class: "tile", "data-room": roomId }, body);
    node.addEventListener("click", (event) => {
      if (!event.target.closest("button, a")) kv.go(path);
    });

    function update(room, nowUs, live) {
      const session = room.session;
      kv.text(name, room.label);
      kv.text(dose, session ? kv.words.dose(session, nowUs) : "");
      kv.attr(dose, "data-dosed", session && session.dose_us !== null ? "yes" : "no");
      kv.text(who, subject(session));
      const away = kv.words.off(session, nowUs);
      kv.text(phase, away || (session ? kv.words.phase(session.phase) : ""));
      const lost = kv.words.unrecorded(session);
      kv.text(unrecorded, lost);
      kv.show(unrecorded, lost !== "");
      // both lines of the head may be needed for what is wrong
      kv.show(phase, away !== "" || lost === "");
      kv.show(who, away === "" || lost === "");
      kv.attr(node, "data-recording", lost ? "no" : null);
      kv.attr(node, "data-off", away ? "yes" : null);
      kv.attr(node, "data-session", session ? session.id : "none");
      kv.attr(node, "data-phase", session ? session.phase : null);
      vitals.forEach((vital) => vital.update(room, nowUs, live));
      const shown = alarms.update(room, nowUs, live);
      const calling = shown.filter(kv.alarmWords.calls);
      const open = calling.find((alarm) => !alarm.acked_by && alarm.condition === "active") || calling[0];
      kv.attr(node, "data-worst", open ? open.priority : null);
      kv.attr(node, "data-alarms", shown.length ? shown.length : null);
      kv.attr(node, "data-acked", open && open.acked_by ? "yes" : null);
      kv.show(noSession, !session);
      kv.text(calm, session && live && !shown.length ? "no alarms" : "");
      const next = kv.nextDue(room, nowUs);
      kv.text(dueName, next.name);
      kv.text(dueWhen, next.when);
      kv.attr(due, "data-due", next.state);
      kv.attr(due, "data-length", next.text.length > 23 ? "long" : null);
      kv.text(own, session ? kv.ownAlarm(room) : "");
      const identified = kv.identify.words(room, nowUs);
      kv.text(which, identified);
      // in the place of the name, for seconds; what is wrong keeps its own
      kv.show(which, identified !== "" && !who.hidden);
      kv.show(who, identified === "" && !who.hidden);
      kv.show(own, away === "");
      kv.attr(node, "data-identify", identified ? (kv.identify.asked(room.id, nowUs) ? "asked" : "changed") : null);
      rulesOff.update(kv.model.rulesOff(room).map((alarm) => [room, alarm]), nowUs);
    }

    /** Once a second, and only while it can be seen. */
    function draw(room, nowUs) {
      lines[0].draw(room, "spo2", nowUs);
      lines[1].draw(room, kv.pulseChannel(room, nowUs, true), nowUs);
    }
    return { node, update, draw };
  };
})(window.kv);
