/* The screen inside the room: dark, silent and steady. A word and a shape for a high priority alarm,
   a button that calls the nurse; numbers only when somebody asks, for ten seconds. */
(function (kv) {
  "use strict";

  const NUMBERS_MS = 10000;
  const CALL = "nurse-call"; // rule of the alarm that the button raises

  const WORDS = {
    alarm: ["ALARM", "The nurses see it."],
    ended: ["ALARM ENDED", "The nurses see it."],
    lost: ["NO DATA", "This screen hears nothing. Go and look."],
    none: ["", "No session: nothing is watched here."],
    calm: ["", ""],
  };

  /** What an alarm is about, without a number: "SpO2 low". */
  function about(alarm) {
    const side = { high: "high", low: "low" }[alarm.side];
    const channel = kv.CHANNELS[alarm.channel];
    if (channel && side) return channel.label + " " + side;
    const text = alarm.label || alarm.text || alarm.rule;
    return /\d/.test(text.replace("SpO2", "").replace("O2", "")) ? alarm.rule.replaceAll("-", " ") : text;
  }

  /** Numbers for a while, with their ages. */
  function numbers() {
    const vitals = ["spo2", "pulse", "nibp"].map((kind) => kv.vital(kind));
    const dose = kv.el("p", { class: "quiet-time" });
    const node = kv.el("div", { class: "quiet-numbers", id: "quiet-numbers", hidden: true }, ...vitals.map((each) => each.node), dose);
    let untilMs = 0;
    return {
      node,
      toggle() {
        untilMs = node.hidden ? performance.now() + NUMBERS_MS : 0;
      },
      update(room, nowUs, live) {
        const asked = Boolean(room) && performance.now() < untilMs;
        kv.show(node, asked);
        if (!asked) return;
        vitals.forEach((vital) => vital.update(room, nowUs, live));
        kv.text(dose, room.session ? kv.words.dose(room.session, nowUs) : "");
      },
    };
  }

  /** Whether somebody has been called, and has seen it. */
  function calling(room) {
    const call = room && room.alarms.get(CALL);
    if (!call || !["active", "latched"].includes(call.condition)) return "";
    return call.acked_by ? "Seen by " + call.acked_by : "Nurse called";
  }

  kv.views.quiet = function (container, roomId) {
    const word = kv.el("p", { class: "quiet-word" });
    const text = kv.el("p", { class: "quiet-text" });
    const steady = kv.el("div", { class: "quiet-steady", role: "status" }, kv.icon("high"), word, text);
    const heading = kv.el("h1", { class: "unseen" }, "Quiet view");
    const shown = numbers();
    const ask = kv.el("button", { type: "button", class: "quiet-ask", "aria-controls": "quiet-numbers" });
    const called = kv.el("p", { class: "quiet-called", role: "status" });
    const call = kv.commandButton("Call nurse", () => ({ kind: "call_nurse", room: roomId, args: {} }), "quiet-call");
    const staff = kv.el("a", { class: "quiet-staff", href: "/room/" + encodeURIComponent(roomId), onclick: kv.follow });
    const acts = kv.el("div", { class: "quiet-acts" }, called, call.node, ask, staff);
    const node = kv.el("div", { class: "quiet-room", "data-room": roomId }, heading, steady, shown.node, acts);
    container.append(node);
    kv.sound.enable(false);
    // a screen that calls for help is never locked with the others
    call.node.classList.remove("acts");
    call.node.disabled = false;

    function show() {
      shown.toggle();
      update();
    }
    node.addEventListener("click", (event) => event.target.closest("button, a") || show());
    ask.addEventListener("click", show);

    function update() {
      const room = kv.model.rooms.get(roomId);
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
      const high = room ? kv.model.alarms(room).filter((alarm) => alarm.priority === "high" && !alarm.silent) : [];
      const worst = high.find((alarm) => alarm.rule !== CALL) || null;
      const active = worst && worst.condition === "active";
      const state = !live ? "lost" : worst ? (active ? "alarm" : "ended") : !room || !room.session ? "none" : "calm";
      kv.attr(node, "data-alarm", worst ? worst.rule : null);
      kv.attr(node, "data-priority", worst ? "high" : null);
      kv.attr(node, "data-condition", worst ? worst.condition : null);
      kv.attr(node, "data-ack", worst ? worst.acked_by : null);
      kv.attr(node, "data-session", room && room.session ? room.session.id : "none");
      kv.attr(node, "data-show", state);
      const seen = worst && worst.acked_by ? "Seen by " + worst.acked_by + "." : WORDS[state][1];
      kv.text(word, WORDS[state][0]);
      kv.text(text, worst && live ? about(worst) + ". " + seen : WORDS[state][1]);
      shown.update(room, nowUs, live);
      kv.text(ask, shown.node.hidden ? "Show numbers" : "Hide numbers");
      kv.attr(ask, "aria-expanded", String(!shown.node.hidden));
      kv.show(ask, Boolean(room));
      const came = calling(room);
      kv.text(called, came);
      kv.attr(node, "data-called", came ? (came === "Nurse called" ? "waiting" : "seen") : null);
      kv.text(call.button, came === "Nurse called" ? "Call again" : "Call nurse");
      kv.text(staff, (room ? room.label : roomId) + ": staff page");
    }
    return {
      title: roomId + " quiet",
      waves: [],
      update,
      tick: update,
      rebuild: update,
      unmount: () => kv.sound.enable(true),
    };
  };
})(window.kv);
