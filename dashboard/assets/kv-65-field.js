/* Fields of the forms of a room: words, numbers, a time, one of several, a tick. All are pressed with
   a finger, and what is chosen is never told by colour alone. */
(function (kv) {
  "use strict";

  const BACK_MIN = [1, 5, 10]; // how far back one press sets a time

  /** Says under an input that it looks as if it named somebody. */
  kv.nameHint = function (input) {
    const hint = kv.el("span", { class: "name-warning", role: "status" });
    input.dataset.names = "ok"; // it has its own
    const look = () => {
      const found = kv.looksLikeName(input.value);
      kv.text(hint, found ? "This looks like " + found + ". The record knows patients by their pseudonym only." : "");
    };
    input.addEventListener("input", look);
    look();
    return { node: hint, look };
  };

  function labelled({ label, hint, required, half }, control, ...more) {
    const words = kv.el("span", { class: "field-label" }, label, required ? null : kv.el("i", {}, hint || ""));
    return kv.el("label", { class: half ? "field half" : "field" }, words, control, ...more);
  }

  function text(spec) {
    const { name, value, area, mode, most, placeholder } = spec;
    const attributes = { name, autocomplete: "off", spellcheck: "false", maxlength: most || 400, inputmode: mode || null, placeholder };
    const input = area ? kv.el("textarea", { ...attributes, rows: 3 }) : kv.el("input", { ...attributes, type: "text" });
    input.value = value || "";
    const warning = spec.free ? kv.nameHint(input) : null;
    input.dataset.names = "ok";
    return {
      node: labelled(spec, input, warning && warning.node),
      target: input,
      get: () => input.value.trim(),
      raw: () => input.value,
      set(raw) {
        input.value = raw;
        if (warning) warning.look();
      },
      wrong: () => (spec.required && !input.value.trim() ? spec.label + ": write something" : ""),
    };
  }

  function number(spec) {
    const input = kv.el("input", { name: spec.name, type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 7, placeholder: spec.placeholder });
    input.value = typeof spec.value === "number" ? kv.words.number(spec.value) : "";
    const value = () => (input.value.trim() === "" ? null : Number(input.value.trim().replace(",", ".")));
    return {
      node: kv.el("div", { class: "number" }, labelled(spec, input)),
      target: input,
      get: value,
      raw: () => input.value,
      set: (raw) => (input.value = raw),
      wrong() {
        const given = value();
        if (given === null) return spec.required ? spec.label + ": enter a number" : "";
        if (!Number.isFinite(given)) return spec.label + ": that is no number";
        const low = spec.least !== undefined && given < spec.least;
        const high = spec.most !== undefined && given > spec.most;
        return low || high ? spec.label + ": from " + spec.least + " to " + spec.most : "";
      },
    };
  }

  /** Empty means now. */
  function time(spec) {
    const input = kv.el("input", { name: spec.name, type: "text", inputmode: "numeric", autocomplete: "off", maxlength: 8, placeholder: spec.required ? "hh:mm" : "now" });
    input.value = spec.value || "";
    const base = () => kv.moment(input.value, kv.clock.nowUs()) || kv.clock.nowUs();
    const back = BACK_MIN.map((minutes) =>
      kv.el("button", { type: "button", onclick: () => shift(minutes), "aria-label": minutes + " min earlier" }, "−" + minutes + " min"),
    );
    function shift(minutes) {
      if (base() === null) return;
      input.value = kv.words.time(base() - minutes * 60 * kv.US, true);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const earlier = kv.el("div", { class: "earlier" }, ...back);
    return {
      node: kv.el("div", { class: "time" }, labelled(spec, input), earlier),
      target: input,
      get: () => (input.value.trim() ? kv.moment(input.value, kv.clock.nowUs()) : null),
      raw: () => input.value,
      set: (raw) => (input.value = raw),
      wrong() {
        if (!input.value.trim()) return spec.required ? spec.label + ": give a time as 13:42" : "";
        return kv.moment(input.value, kv.clock.nowUs()) === null ? spec.label + ": a time is written as 13:42" : "";
      },
    };
  }

  /** A row of buttons of which one is pressed. */
  kv.toggles = function (label, options, onpick) {
    const buttons = options.map(([value, words]) => {
      const button = kv.el("button", { type: "button", "aria-pressed": "false", "data-value": String(value) }, words);
      button.addEventListener("click", () => onpick(value));
      return [value, button];
    });
    const node = kv.el("div", { class: "toggles", role: "group", "aria-label": label }, ...buttons.map(([, button]) => button));
    return {
      node,
      buttons: buttons.map(([, button]) => button),
      show: (chosen) => buttons.forEach(([value, button]) => kv.attr(button, "aria-pressed", String(value === chosen))),
    };
  };

  function choice(spec) {
    let chosen = spec.value === undefined ? null : spec.value;
    const picked = kv.toggles(spec.label, spec.options, (value) => {
      chosen = value;
      picked.show(chosen);
      picked.node.dispatchEvent(new Event("input", { bubbles: true }));
    });
    picked.show(chosen);
    return {
      node: kv.el("div", { class: "field", "data-field": spec.name }, kv.el("span", { class: "field-label" }, spec.label), picked.node),
      target: picked.buttons[0],
      get: () => chosen,
      raw: () => chosen,
      set(raw) {
        chosen = raw;
        picked.show(chosen);
      },
      wrong: () => (spec.required && chosen === null ? spec.label + ": choose one" : ""),
    };
  }

  function tick(spec) {
    const box = kv.el("button", { type: "button", class: "tick", role: "checkbox", "aria-checked": "false", name: spec.name });
    box.append(kv.el("i", { "aria-hidden": "true" }), kv.el("span", {}, spec.label));
    let on = Boolean(spec.value);
    const show = () => kv.attr(box, "aria-checked", String(on));
    box.addEventListener("click", () => {
      on = !on;
      show();
      box.dispatchEvent(new Event("input", { bubbles: true }));
    });
    show();
    return {
      node: kv.el("div", { class: "field" }, box),
      target: box,
      get: () => on,
      raw: () => on,
      set(raw) {
        on = raw;
        show();
      },
      wrong: () => (spec.required && !on ? "Tick “" + spec.label + "”" : ""),
    };
  }

  const KINDS = { text, number, time, choice, tick };

  /** @param spec {name, kind, label, required?, value?, …}; kinds: text (area, free: may hold a name),
          number (least, most), time (empty = now), choice (options), tick
      @returns {name, node, target, get(), raw(), set(raw), wrong()} */
  kv.field = (spec) => ({ name: spec.name, ...KINDS[spec.kind || "text"](spec) });
})(window.kv);
