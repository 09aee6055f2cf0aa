/* What a person does with a device: see which box it is, accept another box, move it. */
(function (kv) {
  "use strict";

  const name = (room) => (room.id === kv.SPARE ? "no room" : room.label);

  /** A device of the room that would have to make place: it does the same and is not heard. */
  function displaced(room, device) {
    return room.devices.find(
      (other) =>
        other.driver === device.driver &&
        other.state !== "streaming" &&
        other.channels.some((channel) => device.channels.includes(channel)),
    );
  }

  async function move(room, device) {
    const rooms = [...kv.model.rooms.values()].filter((other) => other.id !== room.id);
    const chosen = await kv.ask({
      title: "Move " + device.id,
      text: "It is in " + name(room) + ". To which room has it been carried?",
      choices: rooms.map((other) => [other.id, other.label]),
    });
    const to = chosen && kv.model.rooms.get(chosen.choice);
    if (!to) return null;
    const gone = displaced(to, device);
    const sure = await kv.ask({
      title: "Move " + device.id + " from " + name(room) + " to " + to.label + "?",
      text:
        "From now on its numbers are those of the patient in " + to.label + ": read its label. " +
        (gone ? gone.id + ", which is not heard, makes place and is in no room then." : ""), // prettier-ignore
      confirm: "Move to " + to.label,
      danger: true,
    });
    if (!sure) return null;
    return { kind: "rebind_device", room: room.id, args: { device: device.id, to_room: to.id } };
  }

  async function claim(room, device) {
    const box = device.status.stranger;
    const sure = await kv.ask({
      title: "Claim the monitor on the port of " + device.id + "?",
      text:
        "Its numbers become those of " + name(room) + ". Follow its cable and read its label first. " +
        "It is " + box + ".", // prettier-ignore
      confirm: "It belongs to " + name(room),
      danger: true,
    });
    if (!sure) return null;
    return { kind: "claim_device", room: room.id, args: { device: device.id, identity: box } };
  }

  /** @returns {node, update(room, device)} */
  kv.deviceActs = function (id) {
    let now = null; // [room, device]
    const buttons = {
      claim: kv.commandButton("Claim…", () => claim(...now), "danger"),
      identify: kv.commandButton("Identify", () => {
        kv.identify.start(id);
        return { kind: "identify", room: now[0].id, args: { device: id } };
      }),
      move: kv.commandButton("Move…", () => move(...now)),
    };
    const said = { claim: "Claim the monitor on the port of ", identify: "Identify ", move: "Move " };
    for (const [key, { button }] of Object.entries(buttons)) button.setAttribute("aria-label", said[key] + id);
    const node = kv.el("div", { class: "device-acts" }, ...Object.values(buttons).map((each) => each.node));
    return {
      node,
      update(room, device) {
        now = [room, device];
        const elsewhere = [...kv.model.rooms.keys()].some((other) => other !== room.id);
        const stranger = Boolean(device.status && device.status.stranger);
        kv.show(buttons.claim.button, stranger && kv.who.may("claim_device"));
        kv.show(buttons.move.button, elsewhere && kv.who.may("rebind_device"));
        kv.show(buttons.identify.button, kv.who.may("identify"));
      },
    };
  };
})(window.kv);
