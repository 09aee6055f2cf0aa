/* The devices of a room, and whether a nurse has made sure of each one's own alarm. */
(function (kv) {
  "use strict";

  const NOT_CONFIRMED = "device alarm not confirmed";

  const by = (device, session) => (session && session.own_alarm_by[device.id]) || "";

  /** Nobody may rely on a device's own alarm unless it has one and somebody has looked. */
  const confirmed = (device, session) => device.own_alarm === "yes" && Boolean(by(device, session));

  /** Words for a tile about how far the monitors' own alarms can be relied on. */
  kv.ownAlarm = (room) =>
    room.devices.every((device) => confirmed(device, room.session)) ? "" : NOT_CONFIRMED;

  /** Words about one device's own alarm. */
  kv.ownAlarmWords = function (device, session) {
    const person = by(device, session);
    if (confirmed(device, session)) return "device alarm on, confirmed by " + person;
    if (device.own_alarm === "no") return "has no alarm of its own";
    return person ? "alarm seen by " + person + "; " + NOT_CONFIRMED + " by the driver" : NOT_CONFIRMED;
  };

  function row(roomId, id) {
    const name = kv.el("span", {});
    const own = kv.el("span", { class: "device-own" });
    const link = kv.el("span", {});
    const confirm = kv.commandButton("Device alarm is on", () => ({
      kind: "confirm_own_alarm",
      room: roomId,
      args: { device: id },
    }));
    const node = kv.el("li", { class: "device", "data-device": id }, name, link, own, confirm.node);
    return {
      node,
      update(device, session) {
        const title = device.title || device.id;
        kv.text(name, title);
        kv.text(link, kv.LINKS[device.state] || device.state);
        kv.attr(node, "data-state", device.state === "streaming" ? "done" : "overdue");
        kv.text(own, kv.ownAlarmWords(device, session));
        kv.attr(own, "data-confirmed", confirmed(device, session) ? "yes" : "no");
        kv.name(confirm.button, "The own alarm of " + title + " is on: confirm");
        kv.show(confirm.button, Boolean(session) && !by(device, session) && device.own_alarm !== "no");
      },
    };
  }

  /** @returns {node, update(room)} */
  kv.roomDevices = function (roomId) {
    const node = kv.el("ul", { class: "rows" });
    const none = kv.el("li", { class: "quiet" }, "This room has no devices.");
    const rows = kv.keyed((id) => row(roomId, id));
    return {
      node,
      update(room) {
        const shown = rows(room.devices.map((device) => device.id));
        shown.forEach((each, i) => each.update(room.devices[i], room.session));
        kv.arrange(node, shown.length ? shown.map((each) => each.node) : [none]);
      },
    };
  };
})(window.kv);
