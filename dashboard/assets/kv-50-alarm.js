/* One alarm: its shape, words, who has acknowledged it, and the button to do so. */
(function (kv) {
  "use strict";

  /** What is to be said beside the message: priority, since when, by whom, how long silent. */
  function details(alarm, nowUs, brief, more) {
    const since = (us) => (nowUs === null || us === null ? "" : kv.words.clock((nowUs - us) / kv.US));
    const left = (us) => (nowUs === null || us === null ? "" : kv.words.clock((us - nowUs) / kv.US + 0.999));
    const words = [(kv.PRIORITIES[alarm.priority] || kv.PRIORITIES.info).word];
    if (alarm.condition === "latched") words.push("ENDED");
    if (alarm.onset_us !== null) words.push(since(alarm.onset_us));
    if (alarm.acked_by) words.push((brief ? "✓ " : "acknowledged by ") + alarm.acked_by);
    if (alarm.signal === "paused") words.push("audio paused " + left(alarm.signal_until_us));
    if (alarm.signal === "off") words.push("audio off");
    if (more) words.push("+" + more + " more");
    return words.filter(Boolean).join(" · ");
  }

  /** @param roomId   the room
      @param brief    shorter words, for a tile
      @returns {node, update(alarm, nowUs, more)}; `more` counts the alarms that are not shown */
  kv.alarm = function (roomId, brief) {
    let shown = null;
    const shape = kv.el("span", { class: "alarm-shape" });
    const text = kv.el("span", { class: "alarm-text" });
    const meta = kv.el("span", { class: "alarm-meta" });
    const acknowledge = kv.commandButton(brief ? "ACK" : "Acknowledge", () =>
      // what the person saw: an alarm that has risen meanwhile is not acknowledged by this
      shown && {
        kind: "acknowledge",
        room: roomId,
        args: { rule: shown.rule, level: shown.level, onset_us: shown.onset_us },
      },
    );
    const node = kv.el("div", { class: "alarm" }, shape, text, meta, acknowledge.node);

    function update(alarm, nowUs, more) {
      if (!shown || shown.priority !== alarm.priority) {
        const known = alarm.priority in kv.PRIORITIES ? alarm.priority : "info";
        shape.replaceChildren(kv.icon(known), kv.el("b", {}, kv.PRIORITIES[known].mark));
      }
      shown = alarm;
      kv.attr(node, "data-alarm", alarm.rule);
      kv.attr(node, "data-priority", alarm.priority);
      kv.attr(node, "data-condition", alarm.condition);
      kv.attr(node, "data-ack", alarm.acked_by);
      kv.attr(node, "data-signal", alarm.signal);
      const message = alarm.text || alarm.rule;
      kv.text(text, message);
      kv.attr(node, "data-length", message.length > 22 ? "long" : message.length > 14 ? "medium" : "short");
      kv.text(meta, details(alarm, nowUs, brief, more));
      kv.attr(acknowledge.button, "aria-label", "Acknowledge " + message);
      kv.show(acknowledge.button, !alarm.acked_by && alarm.priority !== "info");
    }
    return { node, update };
  };

  /** The alarms of a room in a container, worst first. @returns {update(room, nowUs), node} */
  kv.alarmList = function (roomId, brief) {
    const node = kv.el("div", { class: "alarms" });
    const rows = kv.keyed(() => kv.alarm(roomId, brief));
    return {
      node,
      update(room, nowUs) {
        const alarms = kv.model.alarms(room);
        const shown = rows(alarms.map((alarm) => alarm.rule));
        shown.forEach((row, i) => row.update(alarms[i], nowUs, brief && i === 0 ? alarms.length - 1 : 0));
        kv.arrange(node, shown.map((row) => row.node));
        return alarms;
      },
    };
  };

  /** Rules that are off or suspended, with a crossed bell and until when. */
  kv.rulesOff = function () {
    const node = kv.el("div", { class: "rules-off" });
    let before = "";
    return {
      node,
      update(room) {
        const words = kv.model.rulesOff(room).map((alarm) => {
          const until = alarm.rule_until_us === null ? "" : " until " + kv.words.time(alarm.rule_until_us);
          return alarm.rule + " " + alarm.rule_state + until;
        });
        if (words.join() === before) return;
        before = words.join();
        node.replaceChildren(...words.map((word) => kv.el("span", {}, kv.icon("crossed"), word)));
      },
    };
  };
})(window.kv);
