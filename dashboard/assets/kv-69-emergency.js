/* The emergency: one press from any page; then the room's page shows the clock, the clinic's card and
   one-press marks, beside the numbers and alarms, which stay where they were. */
(function (kv) {
  "use strict";

  const GOES_ON = ["ONSET_PEAK", "DESCENT", "RECOVERY", "DISCHARGE_CHECK", "ABORTED", "BASELINE"];
  const LINES = 12;

  kv.sheetForms.end_emergency = (acting) => ({
    title: "End the emergency",
    kind: "end_emergency",
    label: "End emergency",
    fields: [
      { name: "to", kind: "choice", label: "The session goes on in", required: true, options: GOES_ON.map((key) => [key, kv.words.phase(key)]) },
      { name: "reason", label: "How it has ended", required: true, most: 200, free: true },
    ],
    confirm: "End emergency",
    args: (values) => values,
  });

  /** @returns {node, update()} */
  kv.emergency = function (acting) {
    const clock = kv.el("b", { class: "emergency-clock", role: "timer" });
    const since = kv.el("span", {});
    const card = kv.el("ol", { class: "emergency-card" });
    const marks = kv.el("div", { class: "act-grid emergency-marks" });
    const line = kv.el("ul", { class: "rows emergency-line" });
    const note = acting.opener("Note…", "note", { kind: "mark" });
    const cuffOff = acting.button("Cuff off", { kind: "cuff_off" });
    const cuffOn = acting.button("Cuff on", { kind: "cuff_on", className: "primary" });
    const end = acting.opener("End emergency…", "end_emergency");
    const node = kv.actArea(
      { class: "emergency" },
      kv.el("header", {}, kv.el("span", { class: "emergency-word" }, "EMERGENCY"), clock, since, kv.el("div", { class: "buttons" }, cuffOff, cuffOn, note, end)),
      kv.el(
        "div",
        { class: "emergency-body" },
        kv.el("section", {}, kv.el("h3", {}, "One press each"), marks),
        kv.el("section", {}, kv.el("h3", {}, "This clinic's card"), card),
        kv.el("section", {}, kv.el("h3", {}, "Since it began"), line),
      ),
    );
    let drawn = "";
    let listed = "";

    function draw() {
      const { card: texts, marks: words } = kv.care.told().emergency;
      const now = JSON.stringify([texts, words]);
      if (now === drawn) return;
      drawn = now;
      card.replaceChildren(...texts.map((text) => kv.el("li", {}, text)));
      marks.replaceChildren(
        ...words.map((text) => {
          const button = acting.button(text, { kind: "mark", args: () => ({ text }), className: "emergency-mark" });
          button.dataset.mark = text;
          return button;
        }),
      );
    }

    function update() {
      const { room, session, nowUs } = acting;
      if (!session || session.phase !== "EMERGENCY") return;
      draw();
      const begun = session.emergency_us;
      kv.text(clock, begun === null || nowUs === null ? "–:––" : kv.words.clock((nowUs - begun) / kv.US));
      kv.text(since, begun === null ? "" : "since " + kv.words.time(begun, true));
      kv.show(cuffOff, !session.cuff_off);
      kv.show(cuffOn, session.cuff_off);
      const events = room.marks.filter((mark) => begun !== null && mark.at_us >= begun).slice(-LINES).reverse();
      const now = JSON.stringify(events);
      if (now === listed) return;
      listed = now;
      line.replaceChildren(
        ...events.map((mark) => {
          const at = kv.words.time(mark.at_us, true) + "  +" + kv.words.clock((mark.at_us - begun) / kv.US);
          return kv.el("li", {}, kv.el("span", {}, kv.words.mark(mark)), kv.el("span", {}, at));
        }),
      );
    }
    return { node, update };
  };

  /** The button in the bar: on a room's page one press; elsewhere the room is asked. */
  kv.emergencyButton = function () {
    const button = kv.el("button", { type: "button", class: "emergency-button", "data-act": "emergency", "aria-haspopup": "true" });
    button.append(kv.el("span", { "aria-hidden": "true" }, "✚"), kv.el("span", {}, "Emergency"));
    const rooms = kv.el("div", { class: "emergency-rooms", role: "group", "aria-label": "Emergency in which room?", hidden: true });
    const said = kv.el("p", { class: "emergency-said", role: "alert", hidden: true });
    const node = kv.el("div", { class: "emergency-bar" }, button, rooms, said);
    const senders = new Map(); // room -> sender
    let clear = 0;

    const here = () => (/^\/room\/([^/]+)/.exec(location.pathname) || [])[1];
    const running = () => [...kv.model.rooms.values()].filter((room) => room.session);

    function tell(text) {
      clearTimeout(clear);
      kv.text(said, text);
      kv.show(said, text !== "");
      if (text) clear = setTimeout(() => kv.show(said, false), 20000);
    }

    async function declare(roomId) {
      close();
      const room = kv.model.rooms.get(roomId);
      if (room && room.session && room.session.phase === "EMERGENCY") return kv.go("/room/" + encodeURIComponent(roomId));
      if (!senders.has(roomId)) senders.set(roomId, kv.sender());
      button.setAttribute("aria-busy", "true");
      const result = await senders.get(roomId)({ kind: "emergency", room: roomId, args: {} });
      button.removeAttribute("aria-busy");
      const outcome = kv.outcomeOf(result);
      tell(outcome.state === "done" ? "" : "Emergency: " + outcome.text);
      if (result.ok && here() !== encodeURIComponent(roomId)) kv.go("/room/" + encodeURIComponent(roomId));
    }

    function open() {
      const known = running();
      if (!known.length) return tell("No room has a session. Call for help by voice or telephone.");
      rooms.replaceChildren(
        kv.el("p", {}, "Emergency in which room?"),
        ...known.map((room) =>
          kv.el(
            "button",
            { type: "button", "data-act": "emergency", "data-emergency-room": room.id, onclick: () => declare(room.id) },
            room.label + " · " + room.session.subject_ref,
          ),
        ),
        kv.el("button", { type: "button", class: "quiet", onclick: close }, "Cancel"),
      );
      kv.show(rooms, true);
      rooms.querySelector("button").focus();
    }
    function close() {
      kv.show(rooms, false);
    }

    button.addEventListener("click", () => {
      if (!rooms.hidden) return close();
      const room = here() && kv.model.rooms.get(decodeURIComponent(here()));
      if (room && room.session) declare(room.id);
      else open();
    });
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || rooms.hidden) return;
      close();
      button.focus();
    });
    return { node, update: () => kv.attr(button, "data-may", kv.who.may("emergency") ? null : "no") };
  };
})(window.kv);
