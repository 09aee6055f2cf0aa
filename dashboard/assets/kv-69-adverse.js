/* Adverse events: what, since when, how bad, what was done, how it ended. One that goes on is owed
   until closing. */
(function (kv) {
  "use strict";

  const same = (words) => words.map((each) => [each, each]);
  const SEVERITIES = same(["mild", "moderate", "severe", "life-threatening"]);
  const OUTCOMES = same(["ongoing", "resolved", "resolved with sequelae", "unknown"]);

  kv.sheetForms.adverse_event = (acting, id) => {
    const known = id ? acting.session && acting.session.adverse[id] : null;
    if (id && !known) return null;
    const was = known || { what: "", severity: null, action: "", outcome: "ongoing", serious: false };
    return {
      title: known ? "Adverse event" : "New adverse event",
      kind: "adverse_event",
      label: "Adverse event",
      fields: [
        { name: "what", label: "What happened", value: was.what, required: true, most: 200, free: true },
        { name: "severity", kind: "choice", label: "How bad", options: SEVERITIES, value: was.severity, required: true },
        { name: "onset", kind: "time", label: "Since", value: known ? kv.words.time(known.onset_us, true) : "" },
        { name: "action", label: "What was done", value: was.action, most: 300, free: true, hint: "may follow" },
        { name: "outcome", kind: "choice", label: "How it ended", options: OUTCOMES, value: was.outcome, required: true },
        { name: "serious", kind: "tick", label: "Serious: death, danger to life, hospital, lasting harm", value: was.serious },
      ],
      confirm: known ? "Save changes" : "Record it",
      args({ onset, ...values }) {
        const moved = onset !== null && (!known || kv.words.time(known.onset_us, true) !== kv.words.time(onset, true));
        return { ...(id ? { id } : {}), ...values, ...(moved ? { onset_us: onset } : {}) };
      },
    };
  };

  /** @returns {node, add, update()} */
  kv.adverse = function (acting) {
    const add = acting.opener("Adverse event…", "adverse_event");
    const list = kv.el("ul", { class: "adverse" });
    const rows = kv.keyed((id) => {
      const words = kv.el("span");
      const change = acting.opener("Change…", "adverse_event", { key: id });
      const node = kv.el("li", { "data-adverse": id }, words, change);
      return { node, words };
    });
    return {
      node: list,
      add,
      update() {
        const { session } = acting;
        const events = session ? Object.entries(session.adverse) : [];
        const shown = rows(events.map(([id]) => id));
        shown.forEach((row, i) => {
          const event = events[i][1];
          const words = [event.severity, event.serious && "SERIOUS", event.outcome, event.action].filter(Boolean);
          kv.text(row.words, kv.words.time(event.onset_us) + "  " + event.what + " – " + words.join(" · "));
          kv.attr(row.node, "data-state", event.outcome === "ongoing" ? "overdue" : "done");
        });
        kv.arrange(list, shown.map((row) => row.node));
        kv.show(add, Boolean(session));
      },
    };
  };
})(window.kv);
