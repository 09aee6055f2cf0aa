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
    const actions = kv.roomActions(roomId);
    const lists = kv.roomLists(roomId);
    const missing = kv.el("p", { class: "empty", hidden: true });
    const panel = (title, className, ...children) =>
      kv.el("section", { class: "panel " + className }, kv.el("h2", {}, title), ...children);
    const node = kv.el(
      "div",
      { class: "room", "data-room": roomId },
      kv.el("header", { class: "room-head" }, heading, dose, phase, facts, away, relative, next, noSession),
      kv.el(
        "div",
        { class: "room-vitals" },
        ...vitals.map((vital) => vital.node),
        kv.el("div", { class: "room-small" }, ...small.map((vital) => vital.node)),
      ),
      kv.el("section", { class: "panel room-pleth" }, pleth.node),
      kv.el("section", { class: "panel room-trend" }, chart.node),
      kv.el(
        "div",
        { class: "room-side" },
        panel("Alarms", "room-alarms", actions.audio, alarms.node, calm, rulesOff.node, notes),
        panel("Act", "room-acts", actions.node),
        panel("Due", "room-due", lists.due),
        panel("Events", "room-marks", lists.marks),
        panel("Devices", "room-devices", lists.devices),
      ),
    );
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
      kv.text(missing, room ? "" : "There is no room “" + roomId + "” at this station. See all rooms.");
      if (!room) return;
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
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
      actions.update(room, nowUs);
      lists.update(room, nowUs);
    }

    function tick() {
      update();
      const room = kv.model.rooms.get(roomId);
      if (!room || document.hidden || performance.now() - drawnMs < 950) return;
      drawnMs = performance.now();
      chart.draw(room, kv.clock.nowUs());
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
        chart.remove();
      },
    };
  };
})(window.kv);
