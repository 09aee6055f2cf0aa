/* Review: the answers about a session, how much of it was measured, its blood pressures, and what
   people entered. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const PARTS = [
    ["given", "What was given"],
    ["measured", "What was measured"],
    ["happened", "What happened"],
    ["ended", "How it ended"],
  ];
  const COVERAGE = ["Channel", "Covered", "Longest gap", "Gaps", "Questionable", "Without a value", "Not known"];
  const PRESSURES = ["Time", "From dose", "SYS / DIA", "MAP", "PR", "Quality", "Device", "Planned as", "Not obtained because"];

  // never rounded up to a whole that it is not
  const percent = (share) => (share === null ? "--" : (Math.floor(share * 1000) / 10).toFixed(1) + " %");
  // never rounded down to a none that it is not
  const doubtful = (share) => (share === null ? "--" : (Math.ceil(share * 1000 - 1e-6) / 10).toFixed(1) + " %");
  const whole = (value) => (value === null || value === undefined ? "--" : value.toFixed(0));

  function answer({ label, text, at_us: atUs, marked }, context) {
    const sign = marked ? kv.el("span", { class: "to-see", title: "To be looked at" }, "▲ ") : null;
    const value = kv.el("dd", {}, sign, kv.el("span", {}, text));
    if (atUs !== null) value.append(review.jump(atUs, context));
    return kv.el("div", { "data-marked": marked ? "yes" : null }, kv.el("dt", {}, label), value);
  }

  /** What there is to say of one part, below its heading. */
  function part([key, title], context) {
    const said = context.body.answers.filter((each) => each.part === key);
    const list = kv.el("dl", {}, ...said.map((each) => answer(each, context)));
    return kv.el("div", { class: "answers-part", "data-part": key }, kv.el("h3", {}, title), list);
  }

  function coverage(one, context) {
    const { longest } = one;
    const gap = longest ? kv.el("span", {}, longest.text + ", ", review.jump(longest.from_us, context)) : "none";
    return [one.label, percent(one.share), gap, String(one.gaps), doubtful(one.questionable), doubtful(one.invalid), one.unknown];
  }

  function plan({ nibp, down }) {
    const said = [];
    if (nibp.planned) said.push("Planned BP readings taken: " + nibp.taken + " of " + nibp.planned + ".");
    if (nibp.missed.length) said.push("Not taken: " + nibp.missed.join(", ") + ".");
    if (nibp.unknown.length) said.push("Not known, as the record is damaged: " + nibp.unknown.join(", ") + ".");
    if (nibp.repeats) said.push("Repeats after a reading that was out: " + nibp.repeats_taken + " of " + nibp.repeats + ".");
    said.push("BP attempts: " + nibp.attempts + ", of them without a reading: " + nibp.failed + ".");
    if (down.length) said.push("The program was not running for " + down.map((gap) => gap.text).join(", ") + ".");
    return said.join(" ");
  }

  review.sections.push({
    id: "summary",
    title: "Summary", // read out only: what stands there says what it is
    order: 8,
    load: (place, context) => {
      const { body } = context;
      place.append(kv.el("div", { class: "answers" }, ...PARTS.map((each) => part(each, context))));
    },
  });

  review.sections.push({
    id: "honesty",
    title: "How much was measured",
    order: 20,
    load: (place, context) => {
      const { body } = context;
      const rows = body.honesty.channels.map((each) => coverage(each, context));
      const known = body.honesty.channels.every((each) => !each.unknown);
      const columns = known ? COVERAGE.slice(0, -1) : COVERAGE;
      const cells = known ? rows.map((row) => row.slice(0, -1)) : rows;
      if (rows.length) place.append(review.table("How much was measured", columns, cells, { cards: true }));
      else place.append(kv.el("p", { class: "empty" }, body.honesty.deleted ? "The values were deleted when their time was over; what they covered is no longer known." : "Nothing was measured continuously."));
      place.append(kv.el("p", { class: "plan" }, plan(body.honesty)));
    },
  });

  function quality(row) {
    return [row.quality, ...row.flags.map((flag) => flag.replaceAll("_", " "))].join(", ");
  }

  function device(row) {
    if (row.manual) return kv.el("span", {}, kv.el("b", { title: "entered by hand" }, "M"), " by hand");
    return row.claimed ? row.device + " (claimed)" : row.device;
  }

  function pressure(row, context) {
    const at = review.jump(row.at_us, context);
    const since = review.sinceDose(row.at_us, context.session);
    const planned = row.planned.join(", ");
    if (row.kind === "missed" || row.kind === "unknown") return [at, since, "--", "", "", "", "", planned, row.why];
    if (row.kind === "failed") return [at, since, "--", "", "", "", row.device, planned, row.why];
    const both = whole(row.sys) + " / " + whole(row.dia);
    return [at, since, both, whole(row.map), whole(row.pulse), quality(row), device(row), planned, ""];
  }

  /** The rest of a row where only time, minute and pressure have room; what is usual is not said. */
  function restOf(row) {
    const parts = [row.planned.join(", ")];
    if (row.map) parts.push("MAP " + whole(row.map));
    if (row.pulse) parts.push("PR " + whole(row.pulse));
    if (row.kind === "reading" && row.quality !== "good") parts.push(row.quality);
    if (row.manual) parts.push("M by hand");
    else parts.push(row.claimed ? row.device + " (claimed)" : row.device);
    parts.push(row.why);
    return parts.filter(Boolean).join(" · ");
  }

  review.sections.push({
    id: "pressures",
    title: "Blood pressures",
    order: 30,
    load: (place, context) => {
      const rows = context.body.pressures;
      if (!rows.length) return place.append(kv.el("p", { class: "empty" }, "No blood pressure was tried or planned."));
      const cells = rows.map((row) => pressure(row, context));
      const table = review.table("Blood pressures", PRESSURES, cells, { compact: 3, rest: rows.map(restOf) });
      table.querySelectorAll("tbody tr").forEach((tr, i) => (tr.dataset.kind = rows[i].kind));
      place.append(table);
    },
  });

  // --- what people entered -----------------------------------------------------------------------

  const timed = (context) => (atUs) => [review.jump(atUs, context), review.sinceDose(atUs, context.session)];

  /** A table below its heading, or that there is nothing to tell. */
  function entered(title, columns, rows, none, options) {
    const said = kv.el("p", { class: "nothing" }, none);
    return [kv.el("h3", {}, title), rows.length ? review.table(title, columns, rows, options) : said];
  }

  review.sections.push({
    id: "noted",
    title: "Scores, marks, adverse events, discharge",
    order: 35,
    load: (place, context) => {
      const { noted, session } = context.body;
      const at = timed(context);
      const compact = (kept, rest) => ({ compact: kept, rest });
      const both = (...words) => words.filter(Boolean).join(" · ");
      const lacks = (none) => (noted.unknown ? "Not known: " + noted.unknown + "." : none);
      const adverse = noted.adverse.map((each) => [...at(each.at_us), each.text, each.how, each.action, each.by]);
      const events = ["Onset", "From dose", "What", "How it went", "Action", "Who"];
      place.append(...entered("Adverse events", events, adverse, lacks("None was entered."), { cards: true }));
      const marks = noted.marks.map((each) => [...at(each.at_us), each.text || each.kind, each.by]);
      const head = ["Time", "From dose", "What", "Who"];
      place.append(...entered("Symptoms, marks and interventions", head, marks, lacks("None was entered."),
        compact(2, noted.marks.map((each) => both(each.text || each.kind, each.by)))));
      const scores = noted.scores.map((each) => [...at(each.at_us), each.text, each.by]);
      const scored = ["Time", "From dose", "Score", "Who"];
      place.append(...entered("Scores", scored, scores, lacks("None was entered."),
        compact(2, noted.scores.map((each) => both(each.text, each.by)))));
      const lines = noted.discharge.map((each) => [each.label, each.state, each.text]);
      const open = session.ended_us === null ? "Not signed yet." : "Nobody has signed the discharge.";
      place.append(...entered("Discharge criteria as signed", ["Criterion", "State", "On"], lines, lacks(open),
        compact(1, noted.discharge.map((each) => both(each.state, each.text)))));
      for (const each of noted.closing) {
        const who = [each.by, each.role && "(" + each.role + ")"].filter(Boolean).join(" ");
        const words = each.text + (who ? " by " + who : "") + ", ";
        place.append(kv.el("p", { class: "closing" }, words, review.jump(each.at_us, context)));
      }
    },
  });
})(window.kv);
