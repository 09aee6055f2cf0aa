/* What happens in a session, at one press each: symptoms, the clinic's marks, a note. */
(function (kv) {
  "use strict";

  const SYMPTOMS = ["Chest pain", "Shortness of breath", "Severe headache", "Visual change", "Seizure"];
  const MOST = 500; // letters of a text in the record

  kv.sheetForms.other_symptom = (acting) => ({
    title: "Symptom",
    text: "It raises an alarm on every page, which stays until somebody acknowledges it.",
    kind: "symptom",
    label: "Symptom",
    fields: [{ name: "text", label: "Symptom", required: true, most: 200, free: true }],
    confirm: "Raise alarm",
    danger: true,
    args: ({ text }) => ({ text }),
  });

  kv.sheetForms.note = (acting, about) => ({
    title: about ? "A word on “" + about + "”" : "Note",
    text: "Write no names: the record knows the patient by the pseudonym.",
    kind: "mark",
    label: "Note",
    fields: [
      { name: "text", label: "Note", required: true, most: MOST - about.length - 2, area: true, free: true },
      { name: "at", kind: "time", label: "When" },
    ],
    confirm: "Save note",
    args: ({ text, at }) => ({ text: about ? about + ": " + text : text, ...(at === null ? {} : { at_us: at }) }),
  });

  /** @returns {node, update()}: the buttons of symptoms */
  kv.symptomActs = function (acting) {
    const buttons = SYMPTOMS.map((text) =>
      acting.button(text, { kind: "symptom", args: () => ({ text }), className: "symptom", done: () => more.about(text) }),
    );
    const other = acting.opener("Other…", "other_symptom", { className: "symptom", kind: "symptom" });
    const more = moreWords(acting);
    const node = kv.el("div", { class: "act-group", role: "group", "aria-label": "Symptom: one press raises an alarm" });
    node.append(kv.el("h3", {}, "Symptom"), kv.el("div", { class: "act-grid" }, ...buttons, other), more.node);
    return { node };
  };

  /** After a press: the text can follow. */
  function moreWords(acting) {
    let about = "";
    const button = acting.opener("Add words…", "note", { key: () => about, kind: "mark", className: "quiet" });
    const node = kv.el("div", { class: "more-words" }, button);
    let clear = 0;
    kv.show(node, false);
    return {
      node,
      about(text) {
        about = text;
        kv.text(button, "Add words on “" + text + "”…");
        kv.show(node, true);
        clearTimeout(clear);
        clear = setTimeout(() => kv.show(node, false), 60000);
      },
    };
  }

  /** The clinic's marks of one tap. @returns {node, update(), press(id), shortcuts()} */
  kv.markActs = function (acting) {
    const more = moreWords(acting);
    const byId = new Map(); // mark id -> button
    const grid = kv.el("div", { class: "act-grid" });
    const note = acting.opener("Note…", "note", { kind: "mark" });
    note.append(kv.el("kbd", {}, "/"));
    const node = kv.el("div", { class: "act-group", role: "group", "aria-label": "Marks: one press each" });
    node.append(kv.el("h3", {}, "Mark"), grid, more.node);
    let drawn = "";

    function make(mark) {
      const words = kv.el("span", {}, mark.label);
      const button = acting.button(words, {
        kind: "mark",
        mark: mark.id,
        args: () => ({ kind: mark.id }),
        label: mark.label,
        title: mark.recheck_minutes ? "a blood pressure is owed " + mark.recheck_minutes + " min later" : null,
        done: () => more.about(mark.label),
      });
      if (mark.key) {
        button.append(kv.el("kbd", {}, mark.key));
        button.setAttribute("aria-keyshortcuts", mark.key);
      }
      return button;
    }

    return {
      node,
      note,
      update() {
        const marks = kv.care.marks(acting.session);
        const now = JSON.stringify(marks);
        if (now === drawn) return;
        drawn = now;
        byId.clear();
        for (const mark of marks) byId.set(mark.id, make(mark));
        grid.replaceChildren(...byId.values(), note);
      },
      /** [[key, words, press]] */
      shortcuts: () =>
        kv.care
          .marks(acting.session)
          .filter((mark) => mark.key && byId.has(mark.id))
          .map((mark) => [mark.key, mark.label, () => byId.get(mark.id).click()]),
    };
  };
})(window.kv);
