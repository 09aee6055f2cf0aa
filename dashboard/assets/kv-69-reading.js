/* Readings that people take or do not take: by hand, the cuff started, held, not obtained. */
(function (kv) {
  "use strict";

  const METHODS = ["auscultation", "other monitor", "palpation", "counted"].map((each) => [each, each]);
  const HOLD = ["Deep in the experience", "Asleep", "Refused by the patient", "Arm in use"];
  const NOT_OBTAINED = ["Refused by the patient", "Not possible", "Deep in the experience", "Patient has left"];
  const FIELDS = [
    { name: "nibp_sys", label: "SYS" },
    { name: "nibp_dia", label: "DIA" },
    { name: "spo2", label: "SpO₂ %" },
    { name: "pr", label: "PR /min" },
    { name: "rr", label: "RR /min" },
  ];

  kv.sheetForms.reading = (acting) => ({
    title: "Reading by hand",
    text: "It obeys the same limits and schedule, and is marked M everywhere.",
    kind: "reading",
    label: "Reading",
    fields: [
      ...FIELDS.map((field) => ({ ...field, kind: "number" })),
      { name: "method", kind: "choice", label: "How", options: METHODS, value: "auscultation" },
      { name: "at", kind: "time", label: "Taken" },
    ],
    confirm: "Save reading",
    args({ method, at, ...values }) {
      const taken = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
      if (!Object.keys(taken).length) return "Enter at least one number";
      return { ...taken, method, ...(at === null ? {} : { at_us: at }) };
    },
  });

  kv.sheetForms.hold_cuff = (acting) => ({
    title: "Hold the cuff",
    text: "The reading that is due, else the next one, is left out. The 40-minute reading and the one before discharge stand in the record as not obtained.",
    kind: "hold_cuff",
    label: "Hold cuff",
    choices: HOLD.map((reason) => [reason, { reason }]),
    fields: [{ name: "reason", label: "Another reason", required: true, most: 200, free: true }],
    confirm: "Hold",
    args: (values) => values,
  });

  kv.sheetForms.not_obtained = (acting, what) => {
    const due = acting.room && acting.room.due.get(what);
    return (
      due && {
        title: (due.label || what) + ": not obtained",
        text: "It stands in the record and on the report as not obtained, with the reason.",
        kind: "not_obtained",
        label: "Not obtained",
        choices: NOT_OBTAINED.map((reason) => [reason, { what, reason }]),
        fields: [{ name: "reason", label: "Another reason", required: true, most: 200, free: true }],
        confirm: "Not obtained",
        args: ({ reason }) => ({ what, reason }),
      }
    );
  };

  /** @returns {node, update(), shortcuts()} */
  kv.readingActs = function (acting) {
    const cuff = (request) => acting.room && acting.room.devices.find((device) => device.can.includes(request));
    const nibp = (kind) => () => ({ kind, room: acting.roomId, args: { device: cuff(kind).id } });
    const start = kv.commandButton("Start BP", nibp("start_nibp"), "primary");
    const stop = kv.commandButton("Stop BP", nibp("stop_nibp"));
    start.button.dataset.act = "start_nibp";
    stop.button.dataset.act = "stop_nibp";
    start.button.setAttribute("aria-keyshortcuts", "b");
    const reading = acting.opener("By hand…", "reading");
    const hold = acting.opener("Hold cuff…", "hold_cuff");
    const buttons = kv.el("div", { class: "buttons" }, start.node, stop.node, reading, hold);
    const node = kv.el("div", { class: "act-group" }, kv.el("h3", {}, "Blood pressure and readings"), buttons);

    function update() {
      kv.show(start.node, Boolean(cuff("start_nibp")));
      kv.show(stop.node, Boolean(cuff("stop_nibp")));
      for (const button of [reading, hold]) kv.show(button, Boolean(acting.session));
      kv.show(node, Boolean(acting.session) || Boolean(cuff("start_nibp")));
    }
    return {
      node,
      update,
      shortcuts: () => [
        ...(cuff("start_nibp") ? [["b", "Start a blood pressure", () => start.button.click()]] : []),
        ...(acting.session ? [["m", "Reading by hand", () => reading.click()]] : []),
      ],
    };
  };
})(window.kv);
