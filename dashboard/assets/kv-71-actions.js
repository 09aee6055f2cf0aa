/* What a nurse can do in a room. The station decides what is allowed and says why not. */
(function (kv) {
  "use strict";

  const ROUTES = Object.entries(kv.ROUTES);

  kv.roomActions = function (roomId) {
    let room = null;
    let nowUs = null;
    const outcome = kv.el("p", { class: "outcome outcome-line", role: "status" });
    const ask = (kind, args) => ({ kind, room: roomId, args });

    const pause = kv.commandButton("Pause all sound 2 min", () => ask("pause_audio", {}));
    const resume = kv.commandButton("Resume audio", () => ask("resume_audio", {}));
    const audio = kv.el("div", { class: "audio" }, pause.node, resume.node);
    const care = kv.careActs(roomId, asking);

    const nibp = (request) => () => ask(request, { device: cuff(request).id });
    const start = kv.commandButton("Start BP", nibp("start_nibp"), "primary");
    const stop = kv.commandButton("Stop BP", nibp("stop_nibp"));

    /** A button that asks first; what came of it stands below all buttons.
        `argsOf(answer)` makes the command's args of the answer, null for none. */
    function asking(label, question, kind, className, argsOf) {
      const button = kv.el("button", { type: "button", class: className || "" }, label);
      const send = kv.sender();
      button.addEventListener("click", async () => {
        const answer = question ? await kv.ask(question(room)) : {};
        const args = answer && (argsOf ? argsOf(answer, room) : answer);
        if (!args) return;
        button.setAttribute("aria-busy", "true");
        outcome.dataset.outcome = "pending";
        kv.text(outcome, label + " …");
        const result = await send(ask(kind, args));
        button.removeAttribute("aria-busy");
        const said = kv.outcomeOf(result);
        outcome.dataset.outcome = said.state;
        kv.text(outcome, label.replace("…", "") + ": " + said.text);
      });
      return button;
    }

    const dose = asking("Dose…", doseQuestion, "dose", "primary");
    const note = asking("Note…", noteQuestion, "mark");
    const open = asking("Open session…", openQuestion, "open_session", "primary");
    const close = asking("Close session…", closeQuestion, "close_session");
    const buttons = kv.el(
      "div",
      { class: "buttons" },
      care.symptom,
      start.node,
      stop.node,
      dose,
      ...care.others,
      note,
      open,
      close,
    );
    const node = kv.el("div", { class: "actions" }, buttons, outcome);

    function who() {
      return room ? room.label + (room.session ? ", " + room.session.subject_ref : "") : "";
    }
    function doseQuestion() {
      const time = () => (kv.clock.nowUs() === null ? "unknown" : kv.words.time(kv.clock.nowUs(), true));
      return {
        title: "Mark the dose?",
        text: () => who() + ". It is " + time() + ". The dose clock starts when you confirm.",
        confirm: "Dose given now",
      };
    }
    function noteQuestion() {
      return {
        title: "Note for " + who(),
        text: "Write no names: the record knows the patient by the pseudonym.",
        fields: [{ name: "text", label: "Note", required: true, maxlength: 500 }],
        confirm: "Save note",
      };
    }
    function openQuestion() {
      return {
        title: "Open a session in " + who(),
        text: "From now on all numbers of this room are recorded and alarms are on.",
        fields: [
          { name: "subject_ref", label: "Pseudonym (never a name)", required: true, maxlength: 40 },
          { name: "route", label: "Route", options: ROUTES },
        ],
        confirm: "Open session",
      };
    }
    function closeQuestion() {
      return {
        title: "Close the session of " + who() + "?",
        text: "Recording and alarms of this room end.",
        fields: [{ name: "reason", label: "Reason (required while an alarm is not acknowledged)", maxlength: 200 }],
        confirm: "Close session",
        danger: true,
      };
    }
    function cuff(request) {
      return room && room.devices.find((device) => device.can.includes(request));
    }

    function update(newest, now) {
      room = newest;
      nowUs = now;
      const alarms = kv.model.alarms(room);
      const paused = alarms.filter((alarm) => alarm.signal === "paused");
      const until = Math.max(...paused.map((alarm) => alarm.signal_until_us || 0));
      kv.attr(pause.button, "disabled", alarms.some((alarm) => alarm.sounding) ? null : "");
      if (!paused.length && resume.button === document.activeElement) pause.button.focus();
      kv.show(resume.button, paused.length > 0);
      if (paused.length && nowUs !== null)
        kv.text(resume.button, "Resume audio (" + kv.words.clock((until - nowUs) / kv.US + 0.999) + ")");
      kv.show(start.node, Boolean(cuff("start_nibp")));
      kv.show(stop.node, Boolean(cuff("stop_nibp")));
      care.update(room, nowUs);
      for (const button of [note, close]) kv.show(button, Boolean(room.session));
      kv.show(dose, Boolean(room.session) && room.session.dose_us === null);
      kv.show(open, !room.session);
    }
    return { node, audio, update };
  };
})(window.kv);
