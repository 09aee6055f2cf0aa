/* What the nurse asks of the station. Each command has one id, however often it is sent: the
   station does it once and answers every time. */
(function (kv) {
  "use strict";

  const GIVE_UP_MS = 8000;
  const pending = new Map(); // id -> {message, resolve, sinceMs}

  const unknown =
    "The station has not answered: it is not known whether this was done. Press again; it is not done twice.";

  kv.newId = function () {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  const ALWAYS = ["call_nurse", "emergency"]; // a locked screen still calls for help

  /** Sends a command. Resolves to {ok, error, recorded}, or with `unanswered` after 8 s. At a locked
      screen somebody is asked for a PIN first; what was typed waits. */
  kv.command = async function (id, kind, room, args) {
    if (kv.central.here) return { id, ok: false, error: kv.central.NO_COMMAND, recorded: false };
    const locked = { id, ok: false, error: "Locked: nothing was done", recorded: false };
    if (kv.who.locked && !ALWAYS.includes(kind) && !(await kv.unlock())) return locked;
    const result = await ask(id, kind, room, args);
    if (!result.locked) return result; // it was locked before this page had heard of it
    return (await kv.unlock()) ? ask(id, kind, room, args) : locked;
  };

  function ask(id, kind, room, args) {
    const message = { t: "command", id, kind, room, args: args || {}, name: kv.who.name };
    return new Promise((resolve) => {
      pending.set(id, { message, resolve, sinceMs: performance.now() });
      kv.link.send(message);
    });
  }

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

  /** What is asked for, whatever the page had seen when it was: a repeat is the same command. */
  function same(one, other) {
    const plain = ({ kind, room, args }) => JSON.stringify([kind, room, { ...args, seen: null }]);
    return plain(one) === plain(other);
  }

  /** Sends {kind, room, args}. What is asked for again while its outcome is unknown keeps its id.

      @param kept what `unknown()` of an earlier sender gave, before the page was loaded anew */
  kv.sender = function (kept) {
    let open = kept || null; // {id, wanted}
    async function send(wanted) {
      if (!open || !same(open.wanted, wanted)) open = { id: kv.newId(), wanted };
      const { id, wanted: first } = open;
      const result = await kv.command(id, first.kind, first.room, first.args);
      if (!result.unanswered && open && open.id === id) open = null;
      return result;
    }
    /** The command whose outcome nobody knows yet, or null. */
    send.unknown = () => open;
    /** Gives a command its id before it is sent, so that it can be kept. */
    send.about = function (wanted) {
      if (!open || !same(open.wanted, wanted)) open = { id: kv.newId(), wanted };
      return open;
    };
    return send;
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
    return { node: kv.actArea({ class: "command" }, button, outcome), button };
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
