/* The check-in: the clinic's questions in groups. Each answer is saved by itself, at once; what is
   not answered is owed and blocks nothing. */
(function (kv) {
  "use strict";

  const FLAGS = [
    [true, "Yes"],
    [false, "No"],
  ];
  const SAVED_MS = 4000;

  const answerOf = (session, id) => (id in session.checkin ? session.checkin[id] : null);

  /** One question. @returns {node, update(session)} */
  function question(acting, item) {
    const state = kv.el("span", { class: "answer-state", role: "status" });
    const send = kv.sender();
    let clear = 0;

    function say(said) {
      clearTimeout(clear);
      kv.attr(node, "data-saving", said.state);
      kv.text(state, { pending: "…", done: "✓ saved", unrecorded: "NOT RECORDED" }[said.state] || said.text);
      if (said.state === "done") clear = setTimeout(() => kv.text(state, ""), SAVED_MS);
    }
    /** Resolves to whether the station has it. */
    async function save(value) {
      say({ state: "pending" });
      const result = await send(acting.wanted("check_in", { [item.id]: value }));
      say(kv.outcomeOf(result));
      return result.ok;
    }
    const make = { flag: flags, choice: choices, number: written, text: written }[item.kind];
    const control = make(acting, item, save);
    const label = kv.el("span", { class: "answer-label" }, item.label, item.required ? null : kv.el("i", {}, "optional"));
    const node = kv.el("div", { class: "answer", "data-checkin": item.id, "data-kind": item.kind }, label, control.node, state);
    for (const hint of control.below || []) node.append(hint);
    return {
      node,
      say,
      update(session) {
        const answer = answerOf(session, item.id);
        kv.attr(node, "data-answered", answer === null ? "no" : "yes");
        kv.attr(node, "data-concern", item.concern !== null && answer === item.concern ? "yes" : null);
        control.show(answer);
      },
    };
  }

  function toggled(acting, item, options, save) {
    let shown = null;
    // the pressed one once more: not answered after all
    const picked = kv.toggles(item.label, options, (value) => save(value === shown ? null : value));
    for (const button of picked.buttons) button.setAttribute("data-act", "check_in");
    return {
      node: picked.node,
      show(answer) {
        shown = answer;
        picked.show(answer);
      },
    };
  }
  const flags = (acting, item, save) => toggled(acting, item, FLAGS, save);
  const choices = (acting, item, save) => toggled(acting, item, item.options.map((each) => [each, each]), save);

  /** A number or words: saved when the field is left, or with Enter. */
  function written(acting, item, save) {
    const isNumber = item.kind === "number";
    const input = kv.el("input", {
      type: "text",
      name: item.id,
      inputmode: isNumber ? "decimal" : null,
      maxlength: isNumber ? 8 : 200,
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": item.label,
      "data-act": "check_in",
    });
    const hint = isNumber ? null : kv.nameHint(input);
    const key = () => ["kv-draft", acting.roomId, acting.session ? acting.session.id : "", "check_in", item.id].join(" ");
    let known = null;
    let asked = false; // whether what was written before a reload was looked for
    let saving = false;
    const words = (answer) => (answer === null ? "" : isNumber ? kv.words.number(answer) : answer);
    const isDirty = () => input.value.trim() !== words(known);

    async function commit() {
      const text = input.value.trim();
      if (saving || !isDirty()) return;
      const value = text === "" ? null : isNumber ? Number(text.replace(",", ".")) : text;
      if (isNumber && value !== null && !Number.isFinite(value)) return kv.attr(input, "aria-invalid", "true");
      kv.attr(input, "aria-invalid", null);
      saving = true;
      const ok = await save(value);
      saving = false;
      if (input.value.trim() !== text) return document.activeElement === input || commit(); // more was written
      if (!ok) return;
      sessionStorage.removeItem(key());
      input.value = words(value);
    }
    input.addEventListener("input", () => sessionStorage.setItem(key(), input.value));
    input.addEventListener("change", commit);
    input.addEventListener("keydown", (event) => event.key === "Enter" && commit());
    return {
      node: input,
      below: hint ? [hint.node] : [],
      show(answer) {
        const untouched = !isDirty();
        const changed = answer !== known;
        known = answer;
        const draft = asked ? null : sessionStorage.getItem(key());
        asked = true;
        if (draft !== null) input.value = draft;
        else if (changed && (untouched || document.activeElement !== input) && !saving) input.value = words(answer);
        if (hint) hint.look();
        kv.attr(input, "data-unsaved", isDirty() ? "yes" : null);
      },
    };
  }

  /** @returns {node, update(), open(): how many required answers are missing} */
  kv.checkin = function (acting) {
    const node = kv.actArea({ class: "checkin" });
    let drawn = "";
    let questions = [];
    let heads = [];

    function group(key, items) {
      const made = items.map((item) => question(acting, item));
      questions.push(...made.map((each, i) => [items[i], each]));
      const count = kv.el("span", { class: "group-count" });
      const allNo = items.every((item) => item.kind === "flag" && item.concern === true) ? noToAll(items, made) : null;
      heads.push((session) => {
        const left = items.filter((item) => item.required && answerOf(session, item.id) === null).length;
        kv.text(count, left ? left + " open" : "✓");
        kv.attr(count, "data-open", left || null);
        if (allNo) kv.show(allNo, items.some((item) => answerOf(session, item.id) === null));
      });
      const head = kv.el("header", {}, kv.el("h3", {}, kv.care.group(key)), count, allNo);
      return kv.el("section", { class: "group", "data-group": key }, head, ...made.map((each) => each.node));
    }

    /** One press for all that are not answered yet. */
    function noToAll(items, made) {
      const button = kv.el("button", { type: "button", class: "all-no", "data-act": "check_in" }, "All no");
      const send = kv.sender();
      button.addEventListener("click", async () => {
        const open = items.filter((item) => acting.session && answerOf(acting.session, item.id) === null);
        if (!open.length || button.getAttribute("aria-busy") === "true") return;
        button.setAttribute("aria-busy", "true");
        const told = (said) => made.forEach((each, i) => open.includes(items[i]) && each.say(said));
        told({ state: "pending" });
        const result = await send(acting.wanted("check_in", Object.fromEntries(open.map((item) => [item.id, false]))));
        button.removeAttribute("aria-busy");
        told(kv.outcomeOf(result));
      });
      return button;
    }

    function draw() {
      const items = kv.care.told().checkin;
      const now = (acting.session ? acting.session.id : "") + JSON.stringify(items);
      if (now === drawn) return;
      drawn = now;
      questions = [];
      heads = [];
      const keys = [...new Set(items.map((item) => item.group))];
      const groups = keys.map((key) => group(key, items.filter((item) => item.group === key)));
      node.replaceChildren(...groups);
    }

    function update() {
      if (!acting.session) return;
      draw();
      for (const [, each] of questions) each.update(acting.session);
      for (const head of heads) head(acting.session);
    }
    const open = () =>
      acting.session
        ? kv.care.told().checkin.filter((item) => item.required && answerOf(acting.session, item.id) === null).length
        : 0;
    return { node, update, open };
  };
})(window.kv);
