/* The page of all devices: what each is, how its link is, what was refused. */
(function (kv) {
  "use strict";

  const COLUMNS = ["Room", "Device", "Link", "Monitor", "Driver", "Frames refused", "Gives", "Own alarm", "Detail"];
  const OWN = { yes: "yes: keep it on", no: "none", unknown: "not known" };

  kv.views.devices = function (container) {
    const body = kv.el("tbody");
    const head = kv.el("tr", {}, ...COLUMNS.map((name) => kv.el("th", { scope: "col" }, name)));
    const empty = kv.el("p", { class: "empty" });
    const table = kv.el("table", {}, kv.el("thead", {}, head), body);
    const scroll = kv.el("div", { class: "scroll" }, table);
    container.append(kv.el("div", { class: "page" }, kv.el("h1", {}, "Devices"), scroll, empty));
    let before = "";

    function cells(room, device) {
      const said = [...room.notices.values()].filter((notice) => notice.device === device.id);
      const notices = said.map((notice) => {
        const word = kv.NOTICES[notice.code] || notice.code.replaceAll("_", " ");
        return notice.detail ? word + " " + notice.detail : word;
      });
      return [
        room.label,
        device.id,
        kv.link.live() ? kv.LINKS[device.state] || device.state : "not known",
        device.title,
        device.driver,
        device.rejected === null ? "–" : String(device.rejected),
        device.channels.map((channel) => (kv.CHANNELS[channel] || { label: channel }).label).join(" "),
        OWN[device.own_alarm] || device.own_alarm,
        [device.detail, ...notices].filter(Boolean).join("; "),
      ];
    }

    function update() {
      const rows = [];
      for (const room of kv.model.rooms.values())
        for (const device of room.devices) {
          const state = kv.link.live() ? device.state : "unknown";
          rows.push([state, device.id, cells(room, device)]);
        }
      const now = JSON.stringify(rows);
      if (now === before) return;
      before = now;
      body.replaceChildren(
        ...rows.map(([state, id, texts]) =>
          kv.el("tr", { "data-device": id, "data-state": state }, ...texts.map((text) => kv.el("td", {}, text))),
        ),
      );
      kv.text(empty, rows.length ? "" : "No devices are known. Is the station running?");
    }
    return { title: "Devices", waves: [], update, tick: update, rebuild: update, unmount() {} };
  };
})(window.kv);
