/* One alarm: its shape, words, who has acknowledged it, and what can be done about it. */
(function (kv) {
  "use strict";

  /** @param roomId the room
      @param place  "tile" (short words, one button), "room" or "ward" (names its room)
      @returns {node, update(alarm, room, nowUs, live, more)}; `more` counts alarms not shown */
  kv.alarm = function (roomId, place) {
    let drawn = "";
    const brief = place === "tile";
    const path = "/room/" + encodeURIComponent(roomId);
    const shape = kv.el("span", { class: "alarm-shape" });
    const link = kv.el("a", { class: "alarm-room", href: path, onclick: (event) => kv.follow(event) });
    const text = kv.el("span", { class: "alarm-message" });
    const words = kv.el("span", { class: "alarm-text" }, place === "ward" ? link : null, text);
    const meta = kv.el("span", { class: "alarm-meta" });
    const acts = kv.alarmActs(roomId, place);
    const node = kv.el("div", { class: "alarm" }, shape, words, meta, acts.node);

    function hooks(alarm) {
      // the list of all rooms repeats what the tiles show: it has a hook of its own
      if (place === "ward") kv.attr(node, "data-entry", roomId + "/" + alarm.rule);
      else kv.attr(node, "data-alarm", alarm.rule);
      kv.attr(node, "data-priority", alarm.priority);
      kv.attr(node, "data-condition", alarm.condition);
      kv.attr(node, "data-ack", alarm.acked_by);
      kv.attr(node, "data-signal", alarm.signal);
      kv.attr(node, "data-rule", alarm.rule_state);
      kv.attr(node, "data-silent", alarm.silent ? "yes" : null);
    }

    function update(alarm, room, nowUs, live, more) {
      const level = kv.alarmWords.level(alarm, room);
      if (level.shape !== drawn) {
        drawn = level.shape;
        shape.replaceChildren(kv.icon(level.shape), kv.el("b", {}, level.mark));
      }
      hooks(alarm);
      const message = kv.alarmWords.message(alarm, room, nowUs, live);
      kv.text(link, room.label);
      kv.text(text, message);
      kv.attr(node, "data-length", message.length > 22 ? "long" : message.length > 13 ? "medium" : "short");
      kv.text(meta, kv.alarmWords.details(alarm, room, nowUs, brief, more));
      acts.update(alarm, room, nowUs);
    }
    return { node, update };
  };

  /** The alarms of a room in a container, worst first. @returns {update(room, nowUs, live), node} */
  kv.alarmList = function (roomId, place) {
    const node = kv.el("div", { class: "alarms" });
    const rows = kv.keyed(() => kv.alarm(roomId, place));
    return {
      node,
      update(room, nowUs, live) {
        const alarms = kv.model.alarms(room);
        const shown = rows(alarms.map((alarm) => alarm.rule));
        const more = place === "tile" ? alarms.length - 1 : 0;
        shown.forEach((row, i) => row.update(alarms[i], room, nowUs, live, i === 0 ? more : 0));
        kv.arrange(node, shown.map((row) => row.node));
        return alarms;
      },
    };
  };
})(window.kv);
