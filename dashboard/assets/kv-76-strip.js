/* What is due next in every room: one line below the banners, the most pressing first; opened, a
   list of all that comes. Made of the messages alone, so it is as live as the numbers. */
(function (kv) {
  "use strict";

  const SHOWN_ON = ["overview", "room"];
  const SIGNS = { overdue: "!", due: "●", coming: "" };
  const ROWS = 4; // of what comes, for each room in the opened list

  function cell(roomId) {
    const sign = kv.el("i", { class: "strip-sign", "aria-hidden": "true" });
    const name = kv.el("b", { class: "strip-room" });
    const what = kv.el("span", { class: "strip-what" });
    const when = kv.el("span", { class: "strip-when" });
    const path = "/room/" + encodeURIComponent(roomId);
    const node = kv.el("a", { class: "strip-item", href: path, onclick: kv.follow }, sign, name, " ", what, " ", when);
    return {
      node,
      update(next) {
        kv.attr(node, "data-due-room", roomId);
        kv.attr(node, "data-due-what", next.what);
        kv.attr(node, "data-due-state", next.state);
        kv.text(sign, SIGNS[next.state]);
        kv.text(name, next.room.label);
        kv.text(what, next.name);
        kv.text(when, next.when);
      },
    };
  }

  /** Discharge by the clock, and how many of the recorded criteria are met. */
  function leaving(room, nowUs) {
    const care = room.care;
    if (!care || !care.criteria.length || room.session.dose_us === null) return "";
    const met = care.criteria.filter((line) => line.met || line.override).length;
    const minutes = care.earliest_us === null || nowUs === null ? null : Math.ceil((care.earliest_us - nowUs) / 60e6);
    const clock = minutes === null ? "" : minutes > 0 ? "earliest discharge in " + minutes + " min, " : "";
    return clock + met + " of " + care.criteria.length + " recorded criteria met";
  }

  /** One room of the opened list. */
  function entry(roomId) {
    const name = kv.el("a", { class: "strip-room", href: "/room/" + encodeURIComponent(roomId), onclick: kv.follow });
    const items = kv.el("ul");
    const last = kv.el("p", { class: "strip-leaving" });
    const rows = kv.keyed(() => kv.el("li"));
    const node = kv.el("li", { class: "strip-entry" }, name, items, last);
    return {
      node,
      update(room, nowUs) {
        const coming = kv.coming(room, nowUs).slice(0, ROWS);
        kv.text(name, room.label);
        const shown = rows(coming.map((each) => each.what));
        shown.forEach((row, i) => {
          kv.attr(row, "data-due-state", coming[i].state);
          kv.text(row, coming[i].text);
        });
        kv.arrange(items, shown);
        kv.text(last, leaving(room, nowUs));
      },
    };
  }

  /** To the hand-over cards; from a room's page to its own card and to the screen inside the room. */
  function ways() {
    const hand = kv.el("a", { class: "strip-way", onclick: kv.follow }, "Hand-over");
    const quiet = kv.el("a", { class: "strip-way", onclick: kv.follow }, "Quiet view");
    const node = kv.el("nav", { class: "strip-ways", "aria-label": "Other views" }, hand, quiet);
    return {
      node,
      update() {
        const view = document.querySelector('[data-view="room"]');
        const path = view ? "/room/" + encodeURIComponent(view.dataset.argument) : "";
        kv.show(quiet, Boolean(view));
        kv.attr(hand, "href", path + "/handover");
        kv.attr(quiet, "href", path + "/quiet");
      },
    };
  }

  /** @returns {node, update()} */
  kv.strip = function () {
    const line = kv.el("div", { class: "strip-line" });
    const calm = kv.el("p", { class: "strip-calm" });
    const toggle = kv.el("button", { type: "button", class: "strip-toggle", "aria-expanded": "false" });
    const list = kv.el("ul", { class: "strip-list", hidden: true });
    const cards = kv.el("a", { class: "strip-way", href: "/handover", onclick: kv.follow }, "Hand-over of all rooms");
    const all = kv.el("li", { class: "strip-entry" }, cards);
    const other = ways();
    const node = kv.el("section", { class: "strip", "aria-label": "Due next" }, calm, line, toggle, other.node, list);
    const cells = kv.keyed(cell);
    const entries = kv.keyed(entry);
    let open = false;
    let laidMs = -Infinity;
    let laid = "";
    let width = 0; // asked for at each change of a number it would lay out the page each time
    new ResizeObserver(([entry]) => (width = entry.contentRect.width)).observe(node);

    function set(wanted) {
      open = wanted;
      toggle.setAttribute("aria-expanded", String(open));
      kv.show(list, open);
      update();
    }

    /** Cells that did not fit have wrapped below the line: out of sight, out of the way of the keyboard. */
    function countHidden() {
      const top = line.firstElementChild ? line.firstElementChild.offsetTop : 0;
      const over = [...line.children].filter((each) => each.offsetTop > top + 8);
      for (const each of line.children) kv.attr(each, "tabindex", over.includes(each) ? -1 : null);
      const waiting = over.filter((each) => each.dataset.dueState !== "coming").length;
      kv.text(toggle, open ? "Close ▴" : (over.length ? "+" + over.length + (waiting ? "!" : "") : "All") + " ▾");
      kv.attr(toggle, "data-waiting", !open && waiting ? "yes" : null);
      const more = over.length + (over.length === 1 ? " more room" : " more rooms");
      const words = over.length ? "Due next: " + more + (waiting ? ", " + waiting + " due" : "") : "All that comes";
      kv.name(toggle, open ? "Close the list of what is due" : words);
    }

    function update() {
      const here = !kv.central.here && SHOWN_ON.includes(document.body.dataset.page) && Boolean(kv.model.version);
      kv.show(node, here);
      if (!here) return;
      other.update();
      const nowUs = kv.link.live() ? kv.clock.nowUs() : null;
      const next = kv.nextOfAll(nowUs);
      const shown = cells(next.map((each) => each.room.id));
      shown.forEach((each, i) => each.update(next[i]));
      const inLine = document.activeElement && line.contains(document.activeElement);
      if (!inLine || shown.length !== line.children.length) kv.arrange(line, shown.map((each) => each.node));
      kv.attr(node, "data-worst", next.length ? next[0].state : null);
      kv.text(calm, next.length ? "" : nowUs === null ? "What is due is not known" : "Nothing is due in any room");
      kv.show(toggle, next.length > 0 || open);
      if (open) {
        const rooms = [...kv.model.rooms.values()].filter((room) => room.session);
        const listed = entries(rooms.map((room) => room.id));
        listed.forEach((each, i) => each.update(rooms[i], nowUs));
        kv.arrange(list, [...listed.map((each) => each.node), all]);
      }
      const order = next.map((each) => each.room.id + each.state).join() + width + open;
      if (order === laid && performance.now() - laidMs < 900) return;
      laid = order;
      laidMs = performance.now();
      countHidden();
    }

    toggle.addEventListener("click", () => set(!open));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !open) return;
      set(false);
      toggle.focus();
    });
    document.addEventListener("click", (event) => open && !node.contains(event.target) && set(false));
    return { node, update };
  };
})(window.kv);
