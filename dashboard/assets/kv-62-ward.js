/* The alarms of all rooms in one list, worst first: one line above the tiles, which never changes
   its height, so that no tile moves under a finger; opened, it lies over them. */
(function (kv) {
  "use strict";

  const ENTRY = 480; // width of one alarm in the line

  kv.ward = function () {
    const list = kv.el("div", { class: "ward-list" });
    const rulesOff = kv.rulesOff("ward");
    const calm = kv.el("p", { class: "ward-calm" });
    const toggle = kv.el("button", { type: "button", class: "ward-toggle", "aria-expanded": "false" });
    const body = kv.el("div", { class: "ward-body" }, list, rulesOff.node);
    const node = kv.el("section", { class: "ward", "aria-label": "Alarms of all rooms" }, calm, body, toggle);
    const rows = kv.keyed((key) => kv.alarm(key.split("\n")[0], "ward"));
    let open = false;

    function set(wanted) {
      open = wanted;
      toggle.setAttribute("aria-expanded", String(open));
      kv.attr(node, "data-open", open ? "yes" : null);
      update();
    }

    function words(alarms, off, hidden) {
      if (open) return "Close ▴";
      if (node.clientWidth < 600) return (hidden + off ? "+" + (hidden + off) : "All") + " ▾";
      const more = hidden ? "+" + hidden + " more" : alarms ? "All" : "";
      return [more, off ? off + " off" : ""].filter(Boolean).join(" · ") + " ▾";
    }

    function update() {
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
      const all = kv.model.allAlarms();
      const off = [...kv.model.rooms.values()].flatMap((room) =>
        kv.model.rulesOff(room).map((alarm) => [room, alarm]),
      );
      if (open && !all.length && !off.length) return set(false);
      const fits = open ? all.length : Math.max(1, Math.floor((node.clientWidth - 150) / ENTRY));
      const seen = all.slice(0, fits);
      const shown = rows(seen.map(({ room, alarm }) => room.id + "\n" + alarm.rule));
      shown.forEach((row, i) => row.update(seen[i].alarm, seen[i].room, nowUs, live, 0));
      kv.arrange(list, shown.map((row) => row.node));
      rulesOff.update(open ? off : [], nowUs);
      kv.text(calm, all.length ? "" : live ? "No alarms" : "Alarms are not known");
      kv.show(toggle, all.length + off.length > 0);
      kv.text(toggle, words(all.length, off.length, all.length - seen.length));
      const whole = all.length + (all.length === 1 ? " alarm" : " alarms");
      kv.name(toggle, open ? "Close the list of alarms" : "Open the list: " + whole);
      kv.attr(node, "data-count", all.length);
    }

    toggle.addEventListener("click", () => set(!open));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !open) return;
      set(false);
      toggle.focus();
    });
    return { node, update };
  };
})(window.kv);
