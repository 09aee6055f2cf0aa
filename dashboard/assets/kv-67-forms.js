/* Forms that stay open until what they ask has been done: PIN, sign-in, emergency access. */
(function (kv) {
  "use strict";

  /** Asks until it works.

      @param title   heading
      @param text    one sentence
      @param fields  inputs: {name, label, options?, value?, ...attributes}
      @param confirm text of the button that acts
      @param others  [[text, className, next]]: closes this form and does something else instead
      @param send    async (answer) => "" when it is done, else why not
      @returns promise of true when it was done, of what `next` gives, or of false */
  kv.form = function ({ title, text, fields, confirm, danger, others, send }) {
    const controls = fields.map(control);
    const wrong = kv.el("p", { class: "form-wrong", role: "alert" });
    const act = kv.el("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
    const cancel = kv.el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    let answer = false;
    const elsewhere = (others || []).map(([label, className, next]) => {
      const onclick = () => {
        answer = next;
        dialog.close();
      };
      return kv.el("button", { type: "button", class: className, onclick }, label);
    });
    const form = kv.el(
      "form",
      { method: "dialog" },
      kv.el("h2", {}, title),
      kv.el("p", {}, text),
      ...controls.map(({ node }) => node),
      wrong,
      kv.el("div", { class: "dialog-actions" }, ...elsewhere, cancel, act),
    );
    const dialog = kv.el("dialog", { class: "form", "aria-label": title }, form);
    document.body.append(dialog);
    return new Promise((resolve) => {
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (act.disabled) return;
        act.disabled = true;
        kv.text(act, "…");
        const values = Object.fromEntries(controls.map(({ name, input }) => [name, input.value]));
        const error = await send(values);
        act.disabled = false;
        kv.text(act, confirm);
        kv.text(wrong, error ? error[0].toUpperCase() + error.slice(1) + "." : "");
        if (!error) {
          answer = true;
          dialog.close();
          return;
        }
        const secret = controls.find(({ input }) => input.type === "password");
        if (!secret) return;
        secret.input.value = "";
        secret.input.focus();
      });
      dialog.addEventListener("close", async () => {
        dialog.remove();
        // The field below gets its focus back without its caret: Chromium types nothing into it.
        const below = document.activeElement;
        if (below && below.matches("input, textarea")) {
          below.blur();
          below.focus();
        }
        resolve(typeof answer === "function" ? await answer() : answer);
      });
      dialog.showModal();
      const first = controls.find(({ input }) => !input.value);
      if (first) first.input.focus();
    });
  };

  function control({ name, label, options, value, ...attributes }) {
    const choices = (options || []).map(([key, words]) => kv.el("option", { value: key }, words));
    const input = options
      ? kv.el("select", { name, ...attributes }, ...choices)
      : kv.el("input", { name, autocomplete: "off", spellcheck: "false", ...attributes });
    if (value) input.value = value;
    return { name, input, node: kv.el("label", { class: "field" }, label, input) };
  }
})(window.kv);
