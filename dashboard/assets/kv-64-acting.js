/* How a person acts in one room: buttons that send one command, what came of it, and "look again"
   where somebody else was faster. */
(function (kv) {
  "use strict";

  // Refused once when somebody else has changed the session since the page was drawn.
  const CONFIRMED = [
    "gate", "dose", "part", "booster", "correct_dose", "infusion_end", "correct_infusion_end", "sign_discharge", "close_session", "move_session",
  ]; // prettier-ignore
  const LOOK = /look again, then confirm/i;
  const CLEAR_MS = { done: 8000, unrecorded: 60000, error: 60000 };

  kv.confirmed = (kind) => CONFIRMED.includes(kind);
  kv.mustLook = (result) => !result.ok && LOOK.test(result.error || "");

  /** @returns what all acts of a room share; `update` must be called with every frame */
  kv.acting = function (roomId) {
    const outcome = kv.el("p", { class: "outcome outcome-line", role: "status" });
    let looked = -1; // the rev that was on the page when somebody was told to look again
    let clear = 0;

    const acting = {
      roomId,
      outcome,
      room: null,
      nowUs: null,
      update(room, nowUs) {
        acting.room = room;
        acting.nowUs = nowUs;
      },
      get session() {
        return acting.room ? acting.room.session : null;
      },
      /** "Room 1, KV-0417". */
      who() {
        return acting.room ? acting.room.label + (acting.session ? ", " + acting.session.subject_ref : "") : "";
      },
      /** What a person has seen of the session, for an act that must not pass another one. */
      seen: () => Math.max(kv.care.seen(roomId), looked),
      look() {
        looked = acting.session ? acting.session.rev : -1;
      },
      /** A command's message; `seen` where the station asks for it. */
      wanted(kind, args, seen) {
        const told = kv.confirmed(kind) && acting.session ? { ...args, seen: seen === undefined ? acting.seen() : seen } : args;
        return { kind, room: roomId, args: told };
      },
      /** Says what came of an act, below all acts of the room. */
      say(label, said) {
        clearTimeout(clear);
        outcome.dataset.outcome = said.state;
        kv.text(outcome, label.replace("…", "") + (said.state === "pending" ? " …" : ": " + said.text));
        if (CLEAR_MS[said.state]) clear = setTimeout(() => kv.text(outcome, ""), CLEAR_MS[said.state]);
      },

      /** A button that sends one command at one press.

          @param act {kind, args(): object or null, mark?, className?, title?, label?: words for the outcome} */
      button(label, act) {
        const send = kv.sender();
        const button = kv.el("button", {
          type: "button",
          class: act.className || "",
          "data-act": act.kind,
          "data-mark": act.mark || null,
          title: act.title || null,
        });
        button.append(label);
        async function press(event) {
          // a second press at once in the same place is a finger that has bounced
          if (button.getAttribute("aria-busy") === "true" || event.detail > 1) return;
          const args = act.args ? act.args() : {};
          if (!args) return;
          const words = act.label || button.textContent;
          button.setAttribute("aria-busy", "true");
          acting.say(words, { state: "pending" });
          const result = await send(acting.wanted(act.kind, args));
          button.removeAttribute("aria-busy");
          if (kv.mustLook(result)) acting.look();
          acting.say(words, kv.outcomeOf(result));
          if (result.ok && act.done) act.done();
        }
        button.addEventListener("click", press);
        return button;
      },

      /** A button that opens a form of `kv.sheetForms`. */
      opener(label, form, more) {
        const { key, className, kind } = more || {};
        const button = kv.el("button", { type: "button", class: className || "", "data-act": kind || form });
        button.append(label);
        button.addEventListener("click", (event) => {
          if (event.detail > 1) return;
          acting.sheets.open(form, typeof key === "function" ? key() : key || "", button, event);
        });
        return button;
      },
    };
    acting.sheets = kv.sheets(acting);
    return acting;
  };

  /** Hides what this person's role may not do; the station decides again. */
  kv.onlyMine = function (node) {
    for (const button of node.querySelectorAll("[data-act]"))
      kv.attr(button, "data-may", kv.who.may(button.dataset.act) ? null : "no");
  };
})(window.kv);
