/* The gate before the dose: what the values say, what is to be looked at, and who decided what. It
   never keeps anybody from marking a dose. */
(function (kv) {
  "use strict";

  const STATES = {
    no_readings: ["?", "NO READINGS YET"],
    clear: ["✓", "WITHIN LIMITS"],
    hold: ["■", "HOLD – a prescriber decides"],
    override: ["▲", "OVERRIDE – a prescriber's order is needed"],
  };
  const DECISIONS = { go: "GO", hold: "HELD", override: "OVERRIDDEN" };
  const LIFTS = ["prescriber", "admin", "operator"];

  const mayLift = () => LIFTS.includes(kv.who.told.role);

  kv.sheetForms.override = (acting) => {
    const gate = (acting.room.care || {}).gate || {};
    const order = mayLift()
      ? []
      : [
          { name: "order_by", label: "Who gave the verbal order", required: true, most: 80 },
          { name: "read_back", kind: "tick", label: "I have read the order back", required: true },
        ];
    return {
      title: "Give the dose all the same",
      text: (gate.words || []).join(" "),
      kind: "gate",
      label: "Override",
      fields: [...order, { name: "reason", label: "Reason", required: true, most: 200, free: true }],
      confirm: mayLift() ? "Override" : "Record the order",
      danger: true,
      args: (values) => ({ decision: "override", ...values }),
    };
  };
  kv.sheetForms.hold = (acting) => ({
    title: "Hold the dose",
    kind: "gate",
    label: "Hold",
    choices: ["Wait and measure again", "Prescriber is asked"].map((reason) => [reason, { decision: "hold", reason }]),
    fields: [{ name: "reason", label: "Another reason", required: true, most: 200, free: true }],
    confirm: "Hold",
    args: (values) => ({ decision: "hold", ...values }),
  });

  /** "GO by Anna, 13:42 · verbal order of …, read back: reason"; "" before the decision. */
  kv.gateWords = function (gate) {
    if (!gate.decision) return "";
    const order = gate.order_by ? " · verbal order of " + gate.order_by + ", read back" : "";
    const reason = gate.reason ? ": " + gate.reason : "";
    return DECISIONS[gate.decision] + " by " + gate.by + ", " + kv.words.time(gate.at_us) + order + reason;
  };

  /** @returns {node, update()} */
  kv.gate = function (acting) {
    const sign = kv.el("b", { class: "gate-sign", "aria-hidden": "true" });
    const state = kv.el("span", { class: "gate-state" });
    const words = kv.el("p", { class: "gate-words" });
    const concerns = kv.el("ul", { class: "gate-concerns", "aria-label": "To be looked at" });
    const decision = kv.el("p", { class: "gate-decision", role: "status" });
    const go = acting.button("Go", { kind: "gate", args: () => ({ decision: "go" }), className: "primary" });
    const hold = acting.opener("Hold…", "hold", { kind: "gate" });
    const override = acting.opener("Override…", "override", { kind: "gate", className: "danger" });
    const node = kv.el(
      "section",
      { class: "gate", "aria-label": "Gate before the dose" },
      kv.el("header", {}, sign, state),
      words,
      concerns,
      decision,
      kv.el("div", { class: "buttons" }, go, hold, override),
    );
    let listed = "";

    function update() {
      const { room, session } = acting;
      const known = room.care && room.care.gate.state ? room.care.gate : null;
      kv.show(node, Boolean(session && known) && session.dose_us === null);
      if (node.hidden) return;
      const [mark, text] = STATES[known.state] || ["?", known.state];
      kv.attr(node, "data-gate", known.state);
      kv.attr(node, "data-decision", session.gate.decision || null);
      kv.text(sign, mark);
      kv.text(state, text);
      kv.text(words, known.words.join(" "));
      if (known.concerns.join("\n") !== listed) {
        listed = known.concerns.join("\n");
        concerns.replaceChildren(...known.concerns.map((label) => kv.el("li", {}, label)));
      }
      kv.show(concerns, known.concerns.length > 0);
      kv.text(decision, kv.gateWords(session.gate));
      kv.show(decision, Boolean(session.gate.decision));
      kv.show(go, known.state === "clear");
      kv.show(override, known.state !== "clear");
    }
    return { node, update };
  };
})(window.kv);
