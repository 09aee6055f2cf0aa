/* The page of all devices: where each is, how it is heard, what it says; which box is which; and
   what a person does when a monitor was exchanged or moved. */
(function (kv) {
  "use strict";

  const COLUMNS = [
    "Room", "Device", "State", "Last bytes", "Refused", "Reconnects", "Battery", "Signal",
    "Own alarm", "Speaks for", "Act",
  ]; // prettier-ignore
  const HINT =
    "Put a finger in, pull its cable or press its button: the device that changes lights up.";

  const label = (channel) => (kv.CHANNELS[channel] || { label: channel }).label;

  /** What was heard of a device, as texts by column. */
  function heard(room, device, nowUs, live) {
    const status = device.status || {};
    const ageS = status.heard_us && nowUs !== null ? (nowUs - status.heard_us) / kv.US : null;
    const speaks = Object.values(room.numerics)
      .filter((numeric) => numeric.device === device.id)
      .filter((numeric) => kv.judge(numeric, nowUs, live).state !== "none");
    const known = (value, unit) => (value === null || value === undefined ? "–" : value + unit);
    return {
      "Last bytes": ageS === null ? "never" : kv.words.age(ageS) + " ago",
      Refused: known(device.status ? status.rejected : device.rejected, ""),
      Reconnects: known(status.reconnects, ""),
      Battery: known(status.battery, ""),
      Signal: known(status.signal, " dBm"),
      "Own alarm": kv.ownAlarmWords(device, room.session),
      "Speaks for": speaks.map((numeric) => label(numeric.channel)).join(" ") || "nothing now",
    };
  }

  function said(room, device) {
    const notices = [...room.notices.values()].filter((notice) => notice.device === device.id);
    const words = notices.map((notice) =>
      [kv.NOTICES[notice.code] || kv.words.notice(notice.code), notice.detail].filter(Boolean).join(" "),
    );
    return [device.detail, ...words].filter(Boolean).join("; ");
  }

  function row(key) {
    const id = key.split(" ")[1];
    const texts = Object.fromEntries(COLUMNS.map((name) => [name, kv.el("span", {})]));
    const link = kv.el("b", {});
    const detail = kv.el("span", { class: "device-detail" });
    const changed = kv.el("span", { class: "device-changed" });
    const title = kv.el("span", { class: "device-title" });
    const port = kv.el("span", { class: "device-port" });
    const acts = kv.deviceActs(id);
    const inside = {
      Device: [kv.el("b", {}, id), title, port],
      State: [link, changed, detail],
      Act: [acts.node],
    };
    const cells = COLUMNS.map((name) =>
      kv.el("td", { "data-label": name }, ...(inside[name] || [texts[name]])),
    );
    const node = kv.el("tr", { "data-device": id }, ...cells);

    function update(room, device, nowUs, live) {
      kv.attr(node, "data-room", room.id);
      kv.attr(node, "data-state", live ? device.state : "unknown");
      kv.attr(node, "data-stranger", (device.status && device.status.stranger) || null);
      kv.text(texts.Room, room.label);
      kv.text(title, [device.title, device.driver].filter(Boolean).join(" · "));
      kv.text(port, device.url);
      kv.text(link, live ? kv.LINKS[device.state] || device.state : "not known");
      kv.text(detail, said(room, device));
      const news = kv.identify.changed(id);
      const asked = kv.identify.asked(room.id, nowUs) === id;
      const words = news ? "CHANGED " + kv.words.age(news.ageS) + " ago: " + news.text : "";
      kv.text(changed, words || (asked ? "shown on all pages" : ""));
      kv.attr(node, "data-changed", news ? "yes" : null);
      kv.attr(node, "data-identify", asked ? "yes" : null);
      for (const [name, text] of Object.entries(heard(room, device, nowUs, live))) kv.text(texts[name], text);
      acts.update(room, device);
    }
    return { node, update };
  }

  function watchBox() {
    const words = kv.el("span", {});
    const stop = kv.el("button", { type: "button", onclick: () => kv.identify.stop() }, "Stop");
    const node = kv.el("p", { class: "identify", role: "status", hidden: true }, words, stop);
    function update() {
      const device = kv.identify.device();
      kv.show(node, device !== "");
      if (device) kv.text(words, "Identify, " + kv.words.clock(kv.identify.leftS()) + " left. " + HINT);
    }
    return { node, update };
  }

  kv.views.devices = function (container) {
    const body = kv.el("tbody");
    const head = kv.el("tr", {}, ...COLUMNS.map((name) => kv.el("th", { scope: "col" }, name)));
    const empty = kv.el("p", { class: "empty" });
    const table = kv.el("table", { class: "devices" }, kv.el("thead", {}, head), body);
    const scroll = kv.el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "devices" }, table);
    const choice = kv.el("select", { onchange: () => update() });
    const filter = kv.el("label", { class: "device-filter" }, "Room ", choice);
    const watch = watchBox();
    const top = kv.el("div", { class: "devices-head" }, kv.el("h1", {}, "Devices"), filter);
    container.append(kv.el("div", { class: "page page-devices" }, top, watch.node, scroll, empty));
    const rows = kv.keyed(row);
    let options = "";

    function offer(rooms) {
      const now = JSON.stringify(rooms.map((room) => [room.id, room.label]));
      if (now === options) return;
      options = now;
      const chosen = choice.value;
      const option = (room) => kv.el("option", { value: room.id }, room.label);
      choice.replaceChildren(kv.el("option", { value: "" }, "All rooms"), ...rooms.map(option));
      choice.value = rooms.some((room) => room.id === chosen) ? chosen : "";
    }

    function update() {
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
      const all = kv.model.devices();
      offer([...new Set(all.map(([room]) => room))]);
      const here = all.filter(([room]) => choice.value === "" || room.id === choice.value);
      const shown = rows(here.map(([room, device]) => room.id + " " + device.id));
      shown.forEach((each, i) => each.update(...here[i], nowUs, live));
      kv.arrange(body, shown.map((each) => each.node));
      watch.update();
      kv.text(empty, all.length ? "" : "No devices are known. Is the station running?");
    }
    return { title: "Devices", waves: [], update, tick: update, rebuild: update, unmount() {} };
  };
})(window.kv);
