/* What is given: the dose in two presses, with what the check-in has planned; parts, boosters, the end
   of an infusion; details and corrections afterwards. */
(function (kv) {
  "use strict";

  const KINDS = { dose: "Dose", part: "Part", booster: "Booster" };
  const MOST_MG = 2000;

  const given = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== ""));
  const gone = (values, dose) =>
    Object.fromEntries(Object.entries(values).filter(([key, value]) => value === "" && dose[key]));
  const clock = () => (kv.clock.nowUs() === null ? "unknown" : kv.words.time(kv.clock.nowUs(), true));

  /** Drug, mg, lot, witness; what is known already stands in them. */
  function details(known) {
    return [
      { name: "drug", label: "Drug", value: known.drug, half: true, most: 80 },
      { name: "mg", kind: "number", label: "Dose (mg)", value: known.mg, least: 0.01, most: MOST_MG },
      { name: "lot", label: "Lot", half: true, value: known.lot, most: 60, hint: "may follow" },
      { name: "witness", label: "Witness", half: true, value: known.witness, most: 60, hint: "may follow" },
    ];
  }
  function planned(acting, kind) {
    const { drug, plan_mg: mg } = acting.session.checkin;
    return { drug: drug || "", mg: kind === "dose" && typeof mg === "number" ? mg : null, lot: "", witness: "" };
  }
  /** What the gate says against it; it keeps nobody from marking what has been given. */
  function gateLine(acting) {
    const gate = (acting.room.care || {}).gate || {};
    const decided = acting.session.gate.decision;
    if (decided && decided !== "hold") return null;
    const words = decided === "hold" ? "The dose is on hold." : "Nobody has decided at the gate yet.";
    const why = gate.state && gate.state !== "clear" ? " " + gate.words.join(" ") : "";
    return kv.el("p", { class: "sheet-warning" }, words + why);
  }

  function doseForm(kind, title, words, confirm) {
    return (acting) => {
      if (!acting.session) return null;
      return {
        title: title,
        text: () => words + " It is " + clock() + ".",
        lines: kind === "dose" ? [gateLine(acting)].filter(Boolean) : [],
        kind,
        label: KINDS[kind],
        fast: true,
        fields: [...details(planned(acting, kind)), { name: "at", kind: "time", label: "Given" }],
        live: ({ drug, mg }) => kv.care.dose(acting.session, drug, mg),
        confirm,
        args: ({ at, ...values }) => given({ ...values, at_us: at }),
      };
    };
  }
  kv.sheetForms.dose = doseForm("dose", "Mark the dose?", "The dose clock starts when you confirm.", "Dose given now");
  kv.sheetForms.part = doseForm("part", "A further part", "The dose clock goes on as it is.", "Part given now");
  kv.sheetForms.booster = doseForm("booster", "A booster", "It adds readings and moves the earliest discharge.", "Booster given now");

  const doseOf = (acting, n) => acting.session && acting.session.doses.find((dose) => String(dose.n) === n);

  kv.sheetForms.dose_details = (acting, n) => {
    const dose = doseOf(acting, n);
    return (
      dose && {
        title: KINDS[dose.kind] + " " + dose.n,
        kind: "dose_details",
        label: "Details of dose " + n,
        fields: details(dose),
        live: ({ drug, mg }) => kv.care.dose(acting.session, drug, mg),
        confirm: "Save details",
        // what is empty and was not is taken out again
        args: (values) => ({ n: dose.n, ...given(values), ...gone(values, dose) }),
      }
    );
  };
  kv.sheetForms.correct_dose = (acting, n) => {
    const dose = doseOf(acting, n);
    const clocks = n === "1" ? " All clocks and readings move with it." : "";
    return (
      dose && {
        title: "When was " + KINDS[dose.kind].toLowerCase() + " " + dose.n + " given?",
        text: "Now " + kv.words.time(dose.at_us, true) + ", marked " + kv.words.time(dose.marked_us, true) + " by " + dose.by + "; that stays in the record." + clocks,
        kind: "correct_dose",
        label: "Correct time",
        fields: [
          { name: "at", kind: "time", label: "Given at", required: true },
          { name: "reason", label: "Why was it wrong?", required: true, most: 200, free: true },
        ],
        confirm: "Correct the time",
        args: ({ at, reason }) => ({ n: dose.n, at_us: at, reason }),
      }
    );
  };
  kv.sheetForms.infusion_end = (acting) => ({
    title: "The infusion has ended",
    text: () => "It is " + clock() + ".",
    kind: "infusion_end",
    label: "Infusion ended",
    fast: true,
    fields: [{ name: "at", kind: "time", label: "Ended" }],
    confirm: "Infusion ended now",
    args: ({ at }) => given({ at_us: at }),
  });

  kv.sheetForms.correct_infusion_end = (acting) => {
    const { infusion_end_us: endUs } = acting.session;
    return (
      endUs !== null && {
        title: "When did the infusion end?",
        text: "Now " + kv.words.time(endUs, true) + "; that stays in the record. Coming readings are planned anew.",
        kind: "correct_infusion_end",
        label: "Correct the end",
        fields: [
          { name: "at", kind: "time", label: "Ended" },
          { name: "goes_on", kind: "tick", label: "It has not ended, it goes on" },
          { name: "reason", label: "Why was it wrong?", required: true, most: 200, free: true },
        ],
        confirm: "Correct the end",
        args: ({ at, goes_on: goesOn, reason }) => (goesOn ? { goes_on: true, reason } : given({ at_us: at, reason })),
      }
    );
  };

  /** @returns {first, further, list, update()}: the big button before the dose, those after it, and
      what was given */
  kv.doseActs = function (acting) {
    const plan = kv.el("small", {});
    const first = acting.opener("Dose…", "dose", { className: "primary big" });
    first.append(plan);
    const part = acting.opener("Part…", "part");
    const booster = acting.opener("Booster…", "booster");
    const end = acting.opener("Infusion ended…", "infusion_end", { className: "primary" });
    const further = kv.el("div", { class: "further" }, end, part, booster);
    const ended = kv.el("b");
    const correct = acting.opener("Correct end…", "correct_infusion_end");
    const over = kv.el("ul", { class: "given" }, kv.el("li", {}, ended, correct));
    const gate = kv.el("p", { class: "quiet" });
    const rows = kv.keyed((n) => row(acting, n));
    const items = kv.el("ul", { class: "given" });
    const list = kv.el("div", {}, items, over, gate);

    function update() {
      const { session } = acting;
      const before = Boolean(session) && session.dose_us === null;
      const after = Boolean(session) && session.dose_us !== null;
      kv.show(first, before);
      if (before) kv.text(plan, kv.care.dose(session, session.checkin.drug, session.checkin.plan_mg));
      kv.show(further, after);
      if (!session) return;
      const route = kv.care.route(session.route);
      const infusion = route ? route.infusion_minutes > 0 : session.route === "iv";
      kv.show(end, after && infusion && session.infusion_end_us === null);
      const shown = rows(session.doses.map((dose) => String(dose.n)));
      shown.forEach((each, i) => each.update(session, session.doses[i]));
      kv.arrange(items, shown.map((each) => each.node));
      kv.text(gate, session.gate.decision ? "Gate: " + kv.gateWords(session.gate) : "");
      kv.show(over, session.infusion_end_us !== null);
      if (session.infusion_end_us !== null) kv.text(ended, kv.words.time(session.infusion_end_us) + "  Infusion ended");
    }
    return { first, further, list, update };
  };

  function row(acting, n) {
    const what = kv.el("b");
    const more = kv.el("span");
    const detail = acting.opener("Details…", "dose_details", { key: n });
    const time = acting.opener("Correct time…", "correct_dose", { key: n });
    const node = kv.el("li", { "data-dose": n }, what, more, kv.el("div", { class: "buttons" }, detail, time));
    return {
      node,
      update(session, dose) {
        const amount = kv.care.dose(session, dose.drug, dose.mg);
        kv.text(what, kv.words.time(dose.at_us) + "  " + KINDS[dose.kind] + (amount ? ": " + amount : ""));
        const moved = Math.abs(dose.at_us - dose.marked_us) >= 60 * kv.US;
        const words = [
          dose.lot && "lot " + dose.lot,
          dose.witness && "seen by " + dose.witness,
          "by " + dose.by,
          moved && "marked " + kv.words.time(dose.marked_us),
        ];
        kv.text(more, words.filter(Boolean).join(" · "));
      },
    };
  }
})(window.kv);
