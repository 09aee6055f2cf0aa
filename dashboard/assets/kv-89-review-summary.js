/* Review: the answers about a session, how much of it was measured, and its blood pressures. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const COVERAGE = ["Channel", "Covered", "Longest gap", "Gaps", "Questionable", "Without a value"];
  const PRESSURES = ["Time", "From dose", "SYS / DIA", "MAP", "PR", "Quality", "Device", "Planned as", "Not obtained because"];

  // never rounded up to a whole that it is not
  const percent = (share) => (share === null ? "--" : (Math.floor(share * 1000) / 10).toFixed(1) + " %");
  // never rounded down to a none that it is not
  const doubtful = (share) => (share === null ? "--" : (Math.ceil(share * 1000 - 1e-6) / 10).toFixed(1) + " %");
  const whole = (value) => (value === null || value === undefined ? "--" : value.toFixed(0));

  function answer({ label, text, at_us: atUs }, context) {
    const value = kv.el("dd", {}, text, " ");
    if (atUs !== null) value.append(review.jump(atUs, context));
    return kv.el("div", {}, kv.el("dt", {}, label), value);
  }

  function coverage(one, context) {
    const { longest } = one;
    const gap = longest ? kv.el("span", {}, longest.text + ", ", review.jump(longest.from_us, context)) : "none";
    return [one.label, percent(one.share), gap, String(one.gaps), doubtful(one.questionable), doubtful(one.invalid)];
  }

  function plan({ nibp, down }) {
    const said = [];
    if (nibp.planned) said.push("Planned BP readings taken: " + nibp.taken + " of " + nibp.planned + ".");
    if (nibp.missed.length) said.push("Not taken: " + nibp.missed.join(", ") + ".");
    if (nibp.repeats) said.push("Repeats after a reading that was out: " + nibp.repeats_taken + " of " + nibp.repeats + ".");
    said.push("BP attempts: " + nibp.attempts + ", of them without a reading: " + nibp.failed + ".");
    if (down.length) said.push("The program was not running for " + down.map((gap) => gap.text).join(", ") + ".");
    return said.join(" ");
  }

  review.sections.push({
    id: "summary",
    title: "Summary",
    order: 8,
    load: (place, context) => {
      const { body } = context;
      place.append(kv.el("dl", { class: "answers" }, ...body.answers.map((each) => answer(each, context))));
      place.append(kv.el("h3", {}, "How much was measured"));
      const rows = body.honesty.channels.map((each) => coverage(each, context));
      if (rows.length) place.append(review.table("How much was measured", COVERAGE, rows, { cards: true }));
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
    if (row.kind === "missed") return [at, since, "--", "", "", "", "", planned, row.why];
    if (row.kind === "failed") return [at, since, "--", "", "", "", row.device, planned, row.why];
    const both = whole(row.sys) + " / " + whole(row.dia);
    return [at, since, both, whole(row.map), whole(row.pulse), quality(row), device(row), planned, ""];
  }

  review.sections.push({
    id: "pressures",
    title: "Blood pressures",
    order: 30,
    load: (place, context) => {
      const rows = context.body.pressures;
      if (!rows.length) return place.append(kv.el("p", { class: "empty" }, "No blood pressure was tried or planned."));
      const cells = rows.map((row) => pressure(row, context));
      const table = review.table("Blood pressures", PRESSURES, cells, { cards: true });
      table.querySelectorAll("tbody tr").forEach((tr, i) => (tr.dataset.kind = rows[i].kind));
      place.append(table);
    },
  });
})(window.kv);
