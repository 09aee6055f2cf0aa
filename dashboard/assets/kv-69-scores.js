/* Scores: one press each where there is a word or a number for each step; the sum of six numbers for
   CADSS-6. The last one stands beside its scale, with its age. */
(function (kv) {
  "use strict";

  const NOT_ROUSED = "not_roused"; // the least of MOAA/S is an entry of its own, not a missing one
  const STALE_S = 30 * 60;

  const steps = (scale) => Array.from({ length: scale.most - scale.least + 1 }, (_, i) => scale.least + i);
  const wordOf = (scale, value) => scale.texts[value - scale.least] || "";
  const said = (value) => (value < 0 ? "−" + -value : String(value));
  const signed = (scale, value) => (scale.least < 0 && value > 0 ? "+" + value : said(value));

  /** The last score of a scale: {text, ageS, stale}, or null. */
  function last(session, scale, nowUs) {
    const score = session && session.scores[scale.id];
    if (!score) return null;
    const ageS = nowUs === null ? null : (nowUs - score.at_us) / kv.US;
    const word = wordOf(scale, score.value);
    return {
      value: signed(scale, score.value),
      word,
      age: ageS === null ? "" : ageS < 60 ? "now" : kv.words.age(ageS) + " ago",
      by: score.by,
      stale: ageS !== null && ageS > STALE_S,
    };
  }

  /** One press a step. */
  function stepButtons(acting, scale) {
    const texts = scale.texts.length > 0;
    const buttons = steps(scale).map((value) => {
      const lowest = scale.id === "moaas" && value === scale.least;
      const label = kv.el("span", {}, kv.el("b", {}, signed(scale, value)), " ", texts ? kv.el("small", {}, wordOf(scale, value)) : null);
      const button = acting.button(label, {
        kind: "score",
        label: kv.care.brief(scale) + " " + signed(scale, value),
        args: () => ({ scale: scale.id, value: lowest ? NOT_ROUSED : value }),
      });
      button.dataset.value = value;
      kv.attr(button, "aria-label", scale.label + " " + signed(scale, value) + (texts ? " " + wordOf(scale, value) : ""));
      return button;
    });
    // the patient's best first, as the scale is read
    if (scale.id === "moaas") buttons.reverse();
    return { node: kv.el("div", { class: "steps", "data-texts": texts ? "yes" : null }, ...buttons), show() {} };
  }

  /** As many numbers as the scale has fields; they are sent when all are there. */
  function sumButtons(acting, scale) {
    const each = { least: scale.least / scale.fields, most: scale.most / scale.fields };
    const options = steps(each).map((value) => [value, String(value)]);
    const key = () => ["kv-draft", acting.roomId, acting.session ? acting.session.id : "", "score", scale.id].join(" ");
    let chosen = Array(scale.fields).fill(null);
    let of = "";
    const rows = chosen.map((_, i) => {
      const picked = kv.toggles(scale.label + ", number " + (i + 1), options, (value) => {
        chosen[i] = value;
        sessionStorage.setItem(key(), JSON.stringify(chosen));
        draw();
      });
      return { picked, node: kv.el("div", { class: "sum-row" }, kv.el("span", {}, String(i + 1)), picked.node) };
    });
    const save = acting.button(kv.el("span", {}, "Save"), {
      kind: "score",
      className: "primary",
      label: kv.care.brief(scale),
      args: () => ({ scale: scale.id, value: sum(), ...Object.fromEntries(chosen.map((value, i) => ["item" + (i + 1), value])) }),
      done() {
        sessionStorage.removeItem(key());
        chosen = chosen.map(() => null);
        draw();
      },
    });
    const sum = () => chosen.reduce((total, value) => total + (value || 0), 0);
    function draw() {
      rows.forEach(({ picked }, i) => picked.show(chosen[i]));
      const left = chosen.filter((value) => value === null).length;
      kv.text(save.firstChild, left ? "Sum " + sum() + ", " + left + " open" : "Save sum " + sum());
      kv.attr(save, "disabled", left ? "" : null);
    }
    draw();
    return {
      node: kv.el("div", { class: "sum" }, ...rows.map((row) => row.node), save),
      show() {
        if (of === key()) return;
        of = key();
        chosen = JSON.parse(sessionStorage.getItem(of) || "null") || chosen.map(() => null);
        draw();
      },
    };
  }

  function scaleRow(acting, scale) {
    const now = kv.el("span", { class: "score-last" });
    const control = (scale.fields > 1 ? sumButtons : stepButtons)(acting, scale);
    const node = kv.el("section", { class: "score", "data-scale": scale.id }, kv.el("header", {}, kv.el("h3", {}, scale.label), now), control.node);
    return {
      node,
      update() {
        control.show();
        const known = last(acting.session, scale, acting.nowUs);
        kv.text(now, known ? [known.value + (known.word ? " " + known.word : ""), known.age, "by " + known.by].filter(Boolean).join(" · ") : "not scored");
        kv.attr(now, "data-stale", known && known.stale ? "yes" : null);
      },
    };
  }

  /** All scales. @returns {node, update(), to(id)} */
  kv.scores = function (acting) {
    const node = kv.actArea({ class: "scores" });
    let rows = [];
    let drawn = "";
    return {
      node,
      update() {
        const scales = kv.care.told().scale;
        if (JSON.stringify(scales) !== drawn) {
          drawn = JSON.stringify(scales);
          rows = scales.map((scale) => scaleRow(acting, scale));
          node.replaceChildren(...rows.map((row) => row.node));
        }
        if (acting.session) rows.forEach((row) => row.update());
      },
      to(id) {
        const found = node.querySelector('[data-scale="' + CSS.escape(id) + '"]');
        if (!found) return;
        found.scrollIntoView({ block: "nearest" });
        (found.querySelector("button") || found).focus({ preventScroll: true });
      },
    };
  };

  /** The last scores in a row; a press goes to the scale. @param go (scale id) => void */
  kv.scoreChips = function (acting, go) {
    const row = kv.el("div", { class: "score-chips" });
    const node = kv.el("div", { class: "act-group" }, kv.el("h3", {}, "Scores"), row);
    const chips = kv.keyed((id) => {
      const name = kv.el("span");
      const value = kv.el("b");
      const age = kv.el("small");
      const button = kv.el("button", { type: "button", class: "score-chip", "data-score": id, onclick: () => go(id) }, name, value, age);
      return { node: button, name, value, age };
    });
    return {
      node,
      update() {
        const scales = kv.care.told().scale;
        kv.show(node, Boolean(acting.session) && scales.length > 0);
        const shown = chips(scales.map((scale) => scale.id));
        shown.forEach((chip, i) => {
          const known = last(acting.session, scales[i], acting.nowUs);
          kv.text(chip.name, kv.care.brief(scales[i]));
          kv.text(chip.value, known ? known.value : kv.NONE);
          kv.text(chip.age, known ? known.age : "");
          kv.attr(chip.node, "data-stale", !known || known.stale ? "yes" : null);
        });
        kv.arrange(row, shown.map((chip) => chip.node));
      },
    };
  };
})(window.kv);
