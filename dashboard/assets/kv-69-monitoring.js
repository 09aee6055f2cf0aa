/* The rest of what is done in a session: off the monitor, the cuff's arm, the phase, another room. */
(function (kv) {
  "use strict";

  const REASONS = ["Toilet", "Repositioning", "Sensor change"];
  const BY_HAND = ["BASELINE", "GATE", "DOSING", "ONSET_PEAK", "DESCENT", "RECOVERY", "DISCHARGE_CHECK", "ABORTED"];

  kv.sheetForms.off_monitor = (acting) => ({
    title: "Off the monitor?",
    text: "For 10 min (battery 3 min) nothing is said about missing values. Limits stay on.",
    kind: "off_monitor",
    label: "Off monitor",
    choices: [
      ...REASONS.map((reason) => [reason, { reason }]),
      ["Battery change (3 min)", { reason: "Battery change", battery: true }],
    ],
    fields: [{ name: "reason", label: "Another reason", required: true, most: 200, free: true }],
    confirm: "Off monitor",
    args: (values) => values,
  });

  kv.sheetForms.phase = (acting) => ({
    title: "Phase",
    text: "Now: " + kv.words.phase(acting.session.phase) + ".",
    kind: "phase",
    label: "Phase",
    fields: [
      {
        name: "to",
        kind: "choice",
        label: "Go to",
        required: true,
        options: BY_HAND.filter((key) => key !== acting.session.phase).map((key) => [key, kv.words.phase(key)]),
      },
      { name: "reason", label: "Reason", required: true, most: 200, free: true },
    ],
    confirm: "Change phase",
    args: (values) => values,
  });

  kv.sheetForms.move_session = (acting) => {
    const free = [...kv.model.rooms.values()].filter((room) => room.id !== acting.roomId && !room.session);
    return {
      title: "Move the session",
      text: free.length
        ? "It keeps its dose clock, its due list and its alarms. Carry the patient's own devices along, or connect those of the other room."
        : "No other room is free.",
      kind: "move_session",
      label: "Move session",
      choices: free.map((room) => ["To " + room.label, { to: room.id }]),
    };
  };

  /** @returns {nodes, update()} */
  kv.monitoringActs = function (acting) {
    const off = acting.opener("Off monitor…", "off_monitor");
    const extend = acting.button("Extend off monitor", { kind: "extend_off_monitor" });
    const back = acting.button("Back on monitor", { kind: "on_monitor", className: "primary" });
    const arms = acting.button("", { kind: "arms", args: () => ({ same: !acting.session.same_arm }), label: "Cuff on the oximeter's arm" });
    const phase = acting.opener("Phase…", "phase");
    const move = acting.opener("Move session…", "move_session");
    const nodes = [back, extend, off, arms, phase, move];

    function update() {
      const { session } = acting;
      const away = Boolean(session) && session.off_since_us !== null;
      for (const button of [arms, phase]) kv.show(button, Boolean(session));
      kv.show(move, Boolean(session) && kv.model.rooms.size > 1);
      kv.either({ button: back }, { button: off }, away);
      if (!session) for (const button of [back, off]) kv.show(button, false);
      kv.show(extend, away && !session.off_extended);
      const same = Boolean(session) && session.same_arm;
      kv.text(arms, same ? "Cuff on the oximeter's arm ✓" : "Cuff on the oximeter's arm?");
      kv.attr(arms, "aria-pressed", String(same));
    }
    return { nodes, update };
  };
})(window.kv);
