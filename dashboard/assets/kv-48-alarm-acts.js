/* What can be done about one alarm: acknowledge, pause its sound, switch its rule off and on. */
(function (kv) {
  "use strict";

  const ALWAYS_ON = ["not-recording", "no-sound"]; // about the program itself

  /** @returns {node, update(alarm, room, nowUs)} */
  kv.alarmActs = function (roomId, place) {
    let shown = null;
    let label = "";
    const brief = place !== "room";
    const ask = (kind, args) => shown && { kind, room: roomId, args: { rule: shown.rule, ...args } };

    const acknowledge = kv.commandButton(brief ? "ACK" : "Acknowledge", () =>
      // what the person saw: an alarm that has risen meanwhile is not acknowledged by this
      ask("acknowledge", { level: shown.level, onset_us: shown.onset_us }),
    );
    const node = kv.el("span", { class: "alarm-acts" }, acknowledge.node);
    const said = (alarm, room) =>
      (place === "ward" ? room.label + ": " : "") + (alarm.text || kv.alarmWords.name(alarm));

    function updateAcknowledge(alarm, room) {
      kv.name(acknowledge.button, "Acknowledge " + said(alarm, room));
      kv.show(acknowledge.button, !alarm.acked_by);
    }
    if (place === "tile") {
      return {
        node,
        update(alarm, room) {
          shown = alarm;
          updateAcknowledge(alarm, room);
        },
      };
    }

    const pause = kv.commandButton("Pause sound", () => ask("pause_audio", {}));
    const resume = kv.commandButton("", () => ask("resume_audio", {}));
    const off = kv.commandButton("Rule off…", async () => {
      const answer = await kv.ask(offQuestion());
      return answer && ask("rule_off", answer);
    });
    const on = kv.commandButton("Rule on", () => ask("rule_on", {}));
    node.append(pause.node, resume.node, off.node, on.node);
    for (const more of [pause, resume, off, on]) more.node.classList.add("more");

    function offQuestion() {
      return {
        title: "Switch off “" + kv.alarmWords.name(shown) + "” in " + label + "?",
        text: "It is not heard and calls nobody. It comes back by itself after 15 min or at the next phase.",
        fields: [{ name: "reason", label: "Reason", required: true, maxlength: 200 }],
        confirm: "Switch off",
        danger: true,
      };
    }

    function update(alarm, room, nowUs) {
      shown = alarm;
      label = room.label;
      updateAcknowledge(alarm, room);
      const name = said(alarm, room);
      const paused = alarm.signal === "paused";
      if (paused) {
        const known = nowUs !== null && alarm.signal_until_us !== null;
        const left = known ? " (" + kv.words.clock((alarm.signal_until_us - nowUs) / kv.US + 0.999) + ")" : "";
        kv.text(resume.button, "Sound again" + left);
      }
      kv.name(pause.button, "Pause the sound of " + name);
      kv.name(off.button, "Switch off the rule of " + name);
      kv.either(resume, pause, paused);
      kv.show(pause.button, !paused && alarm.sounding);
      kv.either(off, on, alarm.rule_state === "enabled");
      if (ALWAYS_ON.includes(alarm.rule)) kv.show(off.button, false);
    }
    return { node, update };
  };
})(window.kv);
