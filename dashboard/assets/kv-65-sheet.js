/* The form of an act, beside the numbers and never over them. It stays open with what was written
   until it is known what has become of it; what was written outlives a reload. */
(function (kv) {
  "use strict";

  const SOON_MS = 400; // a press that comes sooner in the same place was meant for what opened the form
  const NEAR_PX = 30;

  const store = {
    get: (key) => JSON.parse(sessionStorage.getItem(key) || "null"),
    set: (key, value) => sessionStorage.setItem(key, JSON.stringify(value)),
    drop: (key) => sessionStorage.removeItem(key),
  };

  /** name -> (acting, key) => {title, text?, lines?, fields?, choices?, confirm?, danger?, kind,
      args(values): object, or a string that says what is wrong, live?(values): words below the
      fields, label?: words for the outcome, done?()} or null when there is nothing to ask. */
  kv.sheetForms = {};

  /** @returns {node, open(form, key, opener), close(), restore(), update(), isOpen()} */
  kv.sheets = function (acting) {
    const node = kv.el("div", { class: "sheet-place" });
    const place = "kv-open " + acting.roomId;
    let shown = null; // {form, key, session, dialog, opener}

    const sessionId = () => (acting.session ? acting.session.id : "");
    const draftOf = (form, key) => ["kv-draft", acting.roomId, sessionId(), form, key].join(" ");

    function close(keepDraft) {
      if (!shown) return;
      const { dialog, opener, draft } = shown;
      const focused = dialog.contains(document.activeElement);
      if (!keepDraft) store.drop(draft);
      store.drop(place);
      shown = null;
      dialog.remove();
      if (opener) mark(opener, false);
      if (focused && opener && opener.isConnected) opener.focus();
    }

    /** While its form is open, the button that opened it is not the one that sends. */
    function mark(opener, open) {
      kv.attr(opener, "aria-expanded", String(open));
      if (open) opener.dataset.acts = opener.dataset.act || "";
      kv.attr(opener, "data-act", open ? null : opener.dataset.acts || null);
    }

    function open(form, key, opener, press) {
      const spec = kv.sheetForms[form](acting, key);
      if (!spec) return;
      close(true);
      const draft = draftOf(form, key);
      const kept = store.get(draft);
      const made = build(spec, draft, kept, press);
      shown = { form, key, session: sessionId(), draft, opener, dialog: made.dialog, say: made.say };
      made.say();
      store.set(place, { form, key, session: shown.session });
      if (opener) mark(opener, true);
      node.replaceChildren(made.dialog);
      made.dialog.show();
      made.focus();
      made.dialog.scrollIntoView({ block: "nearest" });
      clear();
    }

    /** On a small screen the form lies at the bottom: the numbers stay free above it. */
    function clear() {
      const numbers = document.querySelector(".room-vitals");
      if (!numbers || getComputedStyle(shown.dialog).position !== "fixed") return;
      const view = numbers.closest(".view");
      const top = view.getBoundingClientRect().top;
      const past = numbers.getBoundingClientRect().top - top;
      if (past > 0) view.scrollBy(0, past);
      const end = Math.round(numbers.getBoundingClientRect().bottom);
      shown.dialog.style.setProperty("--numbers-end", end + "px");
    }

    function build(spec, draft, kept, press) {
      const openedMs = performance.now();
      const fields = (spec.fields || []).map(kv.field);
      let seen = acting.session ? acting.session.rev : 0;
      let busy = false;
      const send = kv.sender(kept && kept.unknown);
      const wrong = kv.el("p", { class: "form-wrong", role: "alert" });
      const live = kv.el("p", { class: "sheet-live" });
      const text = kv.el("p", { class: "sheet-text" });
      const act = spec.confirm && kv.el("button", { type: "submit", class: spec.danger ? "danger" : "primary", "data-act": spec.kind }, spec.confirm);
      const direct = (spec.choices || []).map(([label, args]) =>
        kv.el("button", { type: "button", class: "choice", "data-act": spec.kind, onclick: () => go(args, label) }, label),
      );
      const cancel = kv.el("button", { type: "button", class: "quiet", onclick: () => close(false) }, "Cancel");
      const actions = kv.el("div", { class: "dialog-actions" }, cancel, act);
      const inputs = fields.map((field) => field.node);
      const form = kv.el(
        "form",
        { method: "dialog", novalidate: true },
        kv.el("h2", {}, spec.title),
        kv.el("p", { class: "sheet-who" }, acting.who()),
        text,
        ...(spec.lines || []),
        direct.length ? kv.el("div", { class: "choices" }, ...direct) : null,
        // what most people confirm as it is has its button before the fields
        ...(spec.fast ? [live, wrong, actions, ...inputs] : [...inputs, live, wrong, actions]),
      );
      const dialog = kv.el("dialog", { class: "sheet", "aria-label": spec.title + ", " + acting.who() }, kv.actArea({}, form));

      const values = () => Object.fromEntries(fields.map((field) => [field.name, field.get()]));
      const raw = () => Object.fromEntries(fields.map((field) => [field.name, field.raw()]));
      function keep() {
        store.set(draft, { raw: raw(), unknown: send.unknown() });
        if (spec.live) kv.text(live, spec.live(values()));
      }
      if (kept) for (const field of fields) if (field.name in kept.raw) field.set(kept.raw[field.name]);
      if (spec.live) kv.text(live, spec.live(values()));

      async function go(args, label) {
        if (busy) return;
        busy = true;
        const wanted = acting.wanted(spec.kind, args, seen);
        send.about(wanted); // its id is kept before anybody can lose it
        keep();
        kv.text(wrong, "");
        const words = spec.label || label;
        kv.attr(form, "aria-busy", "true");
        acting.say(words, { state: "pending" });
        const result = await send(wanted);
        busy = false;
        kv.attr(form, "aria-busy", null);
        const said = kv.outcomeOf(result);
        acting.say(words, said);
        const mine = shown && shown.dialog === dialog;
        if (result.ok) {
          store.drop(draft);
          if (mine) close(false);
          if (spec.done) spec.done(result);
          return;
        }
        if (mine) keep();
        kv.text(wrong, said.text.charAt(0).toUpperCase() + said.text.slice(1) + (/[.!?]$/.test(said.text) ? "" : "."));
        if (!kv.mustLook(result)) return;
        seen = acting.session ? acting.session.rev : 0;
        kv.attr(dialog, "data-look", "yes");
        if (act) kv.text(act, spec.confirm + " all the same");
      }

      /** Whether a press is the second half of the one that has opened the form. */
      function bounced(event) {
        if (event.detail === 0 || !press) return false; // by keyboard
        const near = Math.hypot(event.clientX - press.clientX, event.clientY - press.clientY) < NEAR_PX;
        return near && performance.now() - openedMs < SOON_MS;
      }
      form.addEventListener(
        "click",
        (event) => {
          if (!bounced(event)) return;
          event.preventDefault();
          event.stopPropagation();
        },
        true,
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (!act) return;
        const problem = fields.map((field) => field.wrong()).find(Boolean);
        const args = problem || spec.args(values());
        if (typeof args === "string") {
          kv.text(wrong, args + ".");
          return;
        }
        go(args, spec.confirm);
      });
      form.addEventListener("input", keep);
      dialog.addEventListener("keydown", (event) => {
        // the key that has opened the form is still held
        if (event.repeat && event.key === "Enter" && event.target.tagName === "BUTTON") event.preventDefault();
        if (event.key === "Escape") {
          event.stopPropagation();
          close(true); // what was written waits for the next time
        }
        const area = event.target.tagName === "TEXTAREA";
        if (event.key === "Enter" && area && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      });
      return {
        dialog,
        say: () => kv.text(text, typeof spec.text === "function" ? spec.text() : spec.text || ""),
        focus() {
          const first = fields.find((field) => !field.raw() && field.target.tagName !== "BUTTON");
          const target = spec.fast && act ? act : first ? first.target : direct[0] || act || cancel;
          target.focus({ preventScroll: true });
        },
      };
    }

    const sheets = {
      node,
      isOpen: () => Boolean(shown),
      open(form, key, opener, press) {
        if (shown && shown.form === form && shown.key === key) return close(true);
        open(form, key, opener || null, press || null);
        sheets.update();
      },
      close,
      /** Opens again what was open before the page was loaded anew. */
      restore() {
        const before = store.get(place);
        if (!before || shown) return;
        if (before.session !== sessionId()) store.drop(place);
        else open(before.form, before.key, null);
      },
      update() {
        if (!shown) return;
        if (shown.session !== sessionId()) return close(true);
        shown.say();
        clear();
      },
    };
    return sheets;
  };
})(window.kv);
