/* The discharge: each criterion with its printed number and what it was judged on, what the record
   still owes, the signature, the end. It says what is recorded, never that somebody may go. */
(function (kv) {
  "use strict";

  const NOT_A_JUDGEMENT = " – not a clinical judgement";

  kv.sheetForms.set_aside = (acting, id) => {
    const line = acting.room && acting.room.care && acting.room.care.criteria.find((each) => each.id === id);
    return (
      line && {
        title: "Set aside",
        text: line.label + " (" + line.words + ").",
        kind: "discharge",
        label: "Set aside",
        fields: [{ name: "reason", label: "Reason", required: true, most: 200, free: true }],
        confirm: "Set aside",
        danger: true,
        args: ({ reason }) => ({ criterion: id, met: true, reason }),
      }
    );
  };
  kv.sheetForms.sign_discharge = (acting) => ({
    title: "Sign the discharge?",
    text: () => summary(acting),
    kind: "sign_discharge",
    label: "Sign discharge",
    fast: true,
    confirm: "Sign as " + kv.who.name,
    args: () => ({}),
  });
  kv.sheetForms.finished = (acting) => ({
    title: "Finish monitoring?",
    text: "Alarms about missing values end. The session stays open until it is closed.",
    kind: "finished",
    label: "Finish monitoring",
    fast: true,
    confirm: "Finish monitoring",
    args: () => ({}),
  });
  kv.sheetForms.close_session = (acting) => {
    const owed = owedOf(acting);
    return {
      title: "Close the session?",
      text: "Recording and alarms of this room end." + (owed.length ? " The record will say what it still owes:" : ""),
      lines: owed.length ? [kv.el("ul", { class: "owed-brief" }, ...owed.map(([, words]) => kv.el("li", {}, words)))] : [],
      kind: "close_session",
      label: "Close session",
      fast: true,
      fields: [{ name: "reason", label: "Reason (required while an alarm is not acknowledged)", most: 200, free: true }],
      confirm: "Close session",
      danger: true,
      args: ({ reason }) => (reason ? { reason } : {}),
    };
  };

  const owedOf = (acting) => (acting.room && acting.room.care && acting.room.care.owed) || [];
  const openLines = (acting) => acting.room.care.criteria.filter((line) => !line.met && !line.override);

  /** "Recorded criteria all met at 13:42 – not a clinical judgement", or what is open. */
  function summary(acting) {
    const care = acting.room && acting.room.care;
    if (!care || !care.criteria.length) return "";
    const open = openLines(acting).length;
    const aside = care.criteria.filter((line) => !line.met && line.override).length;
    if (care.met_us !== null) return "Recorded criteria all met at " + kv.words.time(care.met_us) + NOT_A_JUDGEMENT;
    if (!open) return "Recorded criteria met, " + aside + " set aside" + NOT_A_JUDGEMENT;
    return open + " of " + care.criteria.length + " recorded criteria not met" + NOT_A_JUDGEMENT;
  }

  function criterion(acting, id) {
    let line = null;
    const sign = kv.el("b", { class: "criterion-sign", "aria-hidden": "true" });
    const label = kv.el("span", { class: "criterion-label" });
    const words = kv.el("span", { class: "criterion-words" });
    const send = (met) => () => ({ criterion: id, met });
    const tick = acting.button("Tick", { kind: "discharge", args: send(true), label: "Tick", className: "primary" });
    const untick = acting.button("Take back", { kind: "discharge", args: send(false), label: "Take back" });
    const aside = acting.opener("Set aside…", "set_aside", { key: id, kind: "discharge" });
    const acts = kv.el("span", { class: "criterion-acts" }, tick, aside, untick);
    const node = kv.el("li", { class: "criterion", "data-criterion": id }, sign, label, words, acts);
    return {
      node,
      update(newest, signed) {
        line = newest;
        const state = line.met ? "met" : line.override ? "aside" : "open";
        kv.attr(node, "data-met", state);
        kv.text(sign, { met: "✓", aside: "⁄", open: "○" }[state]);
        kv.text(label, line.label);
        kv.text(words, line.words + (line.override ? " · set aside: " + line.override : ""));
        kv.show(tick, !signed && !line.auto && !line.met);
        kv.attr(tick, "aria-label", "Tick: " + line.label);
        kv.show(aside, !signed && line.auto && state === "open");
        kv.attr(aside, "aria-label", "Set aside: " + line.label);
        kv.show(untick, !signed && ((!line.auto && line.met) || state === "aside"));
        kv.attr(untick, "aria-label", "Take back: " + line.label);
      },
    };
  }

  /** What is owed, each with the place where it can be done.
      @param go (key of what is owed, opener) => void */
  kv.owed = function (acting, go) {
    const list = kv.el("ul", { class: "owed-list" });
    const title = kv.el("h3", {}, "Owed");
    const node = kv.el("section", { class: "owed", "data-owed": "0" }, title, list);
    const rows = kv.keyed((key) => {
      const button = kv.el("button", { type: "button", onclick: () => go(key, button) });
      return { node: kv.el("li", { "data-owes": key }, button), button };
    });
    return {
      node,
      update() {
        const owed = owedOf(acting);
        kv.attr(node, "data-owed", owed.length);
        kv.text(title, owed.length ? "Owed: " + owed.length : "Nothing is owed");
        const shown = rows(owed.map(([key]) => key));
        shown.forEach((row, i) => kv.text(row.button, owed[i][1]));
        kv.arrange(list, shown.map((row) => row.node));
      },
    };
  };

  /** @returns {node, update()} */
  kv.discharge = function (acting, go) {
    const said = kv.el("p", { class: "discharge-summary", role: "status" });
    const earliest = kv.el("p", { class: "quiet" });
    const lines = kv.el("ul", { class: "criteria" });
    const rows = kv.keyed((id) => criterion(acting, id));
    const signed = kv.el("p", { class: "signed" });
    const check = acting.button("Go to the discharge check", {
      kind: "phase",
      args: () => ({ to: "DISCHARGE_CHECK", reason: "" }),
      label: "Discharge check",
      className: "primary",
    });
    const sign = acting.opener("Sign discharge…", "sign_discharge", { className: "primary" });
    const finished = acting.opener("Finish monitoring…", "finished");
    const done = kv.el("p", { class: "quiet" });
    const close = acting.opener("Close session…", "close_session");
    const owed = kv.owed(acting, go);
    const node = kv.actArea(
      { class: "discharge" },
      said,
      earliest,
      lines,
      signed,
      done,
      kv.el("div", { class: "buttons" }, check, sign, finished, close),
      owed.node,
    );

    function update() {
      const { room, session, nowUs } = acting;
      if (!session) return;
      const care = room.care;
      const criteria = care ? care.criteria : [];
      const isSigned = Boolean(session.signed.by);
      const checking = session.phase === "DISCHARGE_CHECK";
      kv.text(said, summary(acting));
      kv.attr(said, "data-met", criteria.length && !openLines(acting).length ? "yes" : "no");
      const left = care && care.earliest_us !== null && nowUs !== null ? (care.earliest_us - nowUs) / kv.US : null;
      const when = left === null ? "" : "Earliest by the clock: " + kv.words.time(care.earliest_us);
      kv.text(earliest, left !== null && left > 0 ? when + " (in " + kv.words.age(left) + ")" : when);
      const shown = rows(criteria.map((line) => line.id));
      shown.forEach((row, i) => row.update(criteria[i], isSigned));
      kv.arrange(lines, shown.map((row) => row.node));
      kv.text(signed, isSigned ? "Signed by " + session.signed.by + " at " + kv.words.time(session.signed.at_us) : "");
      kv.show(signed, isSigned);
      kv.show(check, !checking && session.phase !== "EMERGENCY");
      kv.show(sign, checking && !isSigned);
      kv.attr(sign, "data-open", criteria.length && openLines(acting).length ? "yes" : null);
      kv.show(finished, checking && session.finished_us === null);
      kv.text(done, session.finished_us === null ? "" : "Monitoring finished at " + kv.words.time(session.finished_us));
      owed.update();
    }
    return { node, update };
  };
})(window.kv);
