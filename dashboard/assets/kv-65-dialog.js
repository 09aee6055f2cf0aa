/* Questions before an act that cannot be undone, in the browser's own modal dialog. */
(function (kv) {
  "use strict";

  /** Asks with a form.

      @param title   heading
      @param text    one sentence, or a function called every second for it
      @param fields  inputs: {name, label, type?, options?, value?, required?, pattern?, hint?}
      @param choices [[value, text]]: buttons that act at one press, for the answer's `choice`
      @param confirm text of the button that acts
      @returns promise of {name: value}, or null when it was cancelled */
  kv.ask = function ({ title, text, fields, choices, confirm, danger }) {
    const inputs = (fields || []).map(field);
    const words = kv.el("p", {});
    const say = () => kv.text(words, typeof text === "function" ? text() : text || "");
    say();
    const timer = setInterval(say, 500);
    const act = confirm && kv.el("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
    let answer = null;
    const collect = () => Object.fromEntries(inputs.map((input) => [input.name, input.value()]));
    // Not submit buttons: Enter in a field would press the first of them.
    const direct = (choices || []).map(([value, label]) => {
      const onclick = () => {
        answer = { ...collect(), choice: value };
        dialog.close();
      };
      return kv.el("button", { type: "button", class: "choice", onclick }, label);
    });
    const cancel = kv.el("button", { type: "button" }, "Cancel");
    const form = kv.el(
      "form",
      { method: "dialog" },
      kv.el("h2", {}, title),
      words,
      direct.length ? kv.el("div", { class: "choices" }, ...direct) : null,
      ...inputs.map((input) => input.node),
      kv.el("div", { class: "dialog-actions" }, cancel, act),
    );
    const dialog = kv.el("dialog", { "aria-label": title }, form);
    document.body.append(dialog);
    return new Promise((resolve) => {
      form.addEventListener("submit", () => {
        answer = collect();
      });
      cancel.addEventListener("click", () => dialog.close());
      dialog.addEventListener("close", () => {
        clearInterval(timer);
        dialog.remove();
        resolve(answer);
      });
      dialog.showModal();
    });
  };

  function field({ name, label, options, value, ...attributes }) {
    const choices = (options || []).map(([key, text]) => kv.el("option", { value: key }, text));
    const control = options
      ? kv.el("select", { name, ...attributes }, ...choices)
      : kv.el("input", { name, autocomplete: "off", spellcheck: "false", ...attributes });
    if (value) control.value = value;
    if (attributes.type === "checkbox")
      return { name, value: () => control.checked, node: kv.el("label", { class: "field check" }, control, label) };
    return { name, value: () => control.value.trim(), node: kv.el("label", { class: "field" }, label, control) };
  }
})(window.kv);
