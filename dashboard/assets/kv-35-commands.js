/* What the nurse asks of the station. Each command has one id, however often it is sent: the
   station does it once and answers every time. */
(function (kv) {
  "use strict";

  const GIVE_UP_MS = 8000;
  const pending = new Map(); // id -> {message, resolve, sinceMs}

  const unknown =
    "The station has not answered: it is not known whether this was done. Press again; it is not done twice.";

  kv.who = {
    get name() {
      return localStorage.getItem("kv-who") || "nurse";
    },
    set name(value) {
      localStorage.setItem("kv-who", value.trim().slice(0, 40));
    },
    /** Whether a name in the record is this page's person; "nurse" is what nobody has chosen. */
    is: (name) => Boolean(name) && name !== "nurse" && name === kv.who.name,
  };

  kv.newId = function () {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  /** Sends a command. Resolves to {ok, error, recorded}, or with `unanswered` after 8 s. */
  kv.command = function (id, kind, room, args) {
    const message = { t: "command", id, kind, room, args: args || {}, name: kv.who.name };
    return new Promise((resolve) => {
      pending.set(id, { message, resolve, sinceMs: performance.now() });
      kv.link.send(message);
    });
  };

  kv.on("synced", () => {
    for (const { message } of pending.values()) kv.link.send(message);
  });
  kv.on("result", (result) => {
    const waiting = pending.get(result.id);
    if (!waiting) return;
    pending.delete(result.id);
    waiting.resolve(result);
  });
  kv.on("tick", () => {
    for (const [id, waiting] of pending) {
      if (performance.now() - waiting.sinceMs < GIVE_UP_MS) continue;
      pending.delete(id);
      waiting.resolve({ id, ok: false, error: unknown, recorded: false, unanswered: true });
    }
  });

  /** Sends {kind, room, args}. What is asked for again while its outcome is unknown keeps its id. */
  kv.sender = function () {
    let id = null;
    let before = "";
    return async function (wanted) {
      const now = JSON.stringify(wanted);
      if (!id || now !== before) id = kv.newId();
      before = now;
      const result = await kv.command(id, wanted.kind, wanted.room, wanted.args);
      if (!result.unanswered) id = null;
      return result;
    };
  };

  /** A button for one command: shows pending, done, "done, NOT RECORDED" or why not.

      @param label text of the button
      @param request () => {kind, room, args}, or a promise of it, or null to do nothing
      @returns {node, button}: the node holds the button and, below it, its outcome */
  kv.commandButton = function (label, request, className) {
    const outcome = kv.el("span", { class: "outcome", role: "status" });
    const button = kv.el("button", { type: "button", class: className || "" }, label);
    const send = kv.sender();
    let clear = 0;
    button.addEventListener("click", async (event) => {
      event.stopPropagation();
      if (button.getAttribute("aria-busy") === "true") return;
      const wanted = await request();
      if (!wanted) return;
      clearTimeout(clear);
      button.setAttribute("aria-busy", "true");
      outcome.dataset.outcome = "pending";
      kv.text(outcome, "…");
      const result = await send(wanted);
      button.removeAttribute("aria-busy");
      outcome.dataset.outcome = kv.outcomeOf(result).state;
      kv.text(outcome, kv.outcomeOf(result).text);
      clear = setTimeout(() => kv.text(outcome, ""), result.ok && result.recorded !== false ? 4000 : 20000);
    });
    return { node: kv.el("span", { class: "command" }, button, outcome), button };
  };

  /** Shows the first of two buttons or the second; the focus goes with the one that takes over. */
  kv.either = function (first, second, isFirst) {
    const [shown, gone] = isFirst ? [first, second] : [second, first];
    const focused = gone.button === document.activeElement;
    kv.show(shown.button, true);
    if (focused) shown.button.focus();
    kv.show(gone.button, false);
  };

  kv.outcomeOf = function (result) {
    if (!result.ok) return { state: "error", text: result.error || "refused by the station" };
    if (result.recorded === false) return { state: "unrecorded", text: "done, NOT RECORDED" };
    return { state: "done", text: "done" };
  };
})(window.kv);
