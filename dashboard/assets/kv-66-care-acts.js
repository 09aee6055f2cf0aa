/* What a nurse enters about the patient: symptoms, a score, off the monitor, the cuff's arm, the
   phase. */
(function (kv) {
  "use strict";

  const SYMPTOMS = ["Chest pain", "Severe headache", "Visual change", "Shortness of breath", "Seizure"];
  // MOAA/S: the scale's own words
  const MOAAS = [
    [5, "5 – responds readily to the name"],
    [4, "4 – lethargic response to the name"],
    [3, "3 – responds only when called loudly or repeatedly"],
    [2, "2 – responds only to mild prodding or shaking"],
    [1, "1 – responds only to a painful squeeze"],
    [0, "0 – not roused: no response"],
  ];
  const REASONS = ["Toilet", "Repositioning", "Sensor change"];
  const BY_HAND = ["BASELINE", "GATE", "DOSING", "ONSET_PEAK", "DESCENT", "RECOVERY", "DISCHARGE_CHECK"];

  const who = (room) => room.label + (room.session ? ", " + room.session.subject_ref : "");
  const same = (text) => [text, text];

  /** @param asking see kv.roomActions
      @returns {symptom, others, update(room, nowUs)} */
  kv.careActs = function (roomId, asking) {
    const symptom = asking("Symptom…", symptomQuestion, "symptom", "danger", chosen("text"));
    const score = asking("MOAA/S…", scoreQuestion, "score", "", (answer) => ({
      scale: "moaas",
      value: Number(answer.choice),
    }));
    const off = asking("Off monitor…", offQuestion, "off_monitor", "", (answer) => {
      if (answer.choice === "battery") return { reason: "Battery change", battery: true };
      return chosen("reason")(answer);
    });
    const extend = asking("Extend off monitor", null, "extend_off_monitor", "", () => ({}));
    const back = asking("Back on monitor", null, "on_monitor", "primary", () => ({}));
    const phase = asking("Phase…", phaseQuestion, "phase");
    const finished = asking("Finish monitoring…", finishedQuestion, "finished", "", () => ({}));
    const arms = kv.commandButton("", () => ({ kind: "arms", room: roomId, args: { same: !sameArm } }));
    const others = [score, back, extend, off, arms.node, phase, finished];
    let sameArm = false;

    /** The button that was pressed, or the words that were written. */
    function chosen(name) {
      return (answer) => ({ [name]: answer.choice || answer[name] });
    }
    function symptomQuestion(room) {
      return {
        title: "Symptom of " + who(room),
        text: "One press raises an alarm on every page. It stays until somebody acknowledges it.",
        choices: SYMPTOMS.map(same),
        fields: [{ name: "text", label: "Another symptom", required: true, maxlength: 200 }],
        confirm: "Raise alarm",
        danger: true,
      };
    }
    function scoreQuestion(room) {
      return {
        title: "MOAA/S of " + who(room),
        text: "Observer's assessment of alertness and sedation, now.",
        choices: MOAAS.map(([value, text]) => [String(value), text]),
      };
    }
    function offQuestion(room) {
      return {
        title: "Take " + who(room) + " off the monitor?",
        text: "For 10 min (battery 3 min) nothing is said about missing values. Limits stay on.",
        choices: [...REASONS.map(same), ["battery", "Battery change (3 min)"]],
        fields: [{ name: "reason", label: "Another reason", required: true, maxlength: 200 }],
        confirm: "Off monitor",
      };
    }
    function phaseQuestion(room) {
      return {
        title: "Phase of " + who(room),
        text: "Now: " + kv.words.phase(room.session.phase) + ".",
        fields: [
          { name: "to", label: "Go to", options: BY_HAND.map((key) => [key, kv.words.phase(key)]), value: room.session.phase },
          { name: "reason", label: "Reason", required: true, maxlength: 200 },
        ],
        confirm: "Change phase",
      };
    }
    function finishedQuestion(room) {
      return {
        title: "Finish monitoring of " + who(room) + "?",
        text: "Alarms about missing values end. The session stays open until it is closed.",
        confirm: "Finish monitoring",
      };
    }

    function update(room) {
      const session = room.session;
      const away = Boolean(session) && session.off_since_us !== null;
      for (const button of [symptom, score, phase, arms.node]) kv.show(button, Boolean(session));
      kv.either({ button: back }, { button: off }, away);
      if (!session) for (const button of [back, off]) kv.show(button, false);
      kv.show(extend, away && !session.off_extended);
      kv.show(finished, Boolean(session) && session.phase === "DISCHARGE_CHECK" && session.finished_us === null);
      sameArm = Boolean(session) && session.same_arm;
      kv.text(arms.button, sameArm ? "Cuff on the oximeter's arm ✓" : "Cuff on the oximeter's arm?");
      kv.attr(arms.button, "aria-pressed", String(sameArm));
    }
    return { symptom, others, update };
  };
})(window.kv);
