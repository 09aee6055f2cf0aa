/* The rooms that answer a question, worst first. Two hundred of them are drawn and kept current in
   small pieces, so that the page is never busy for long; those in sight come first. */
(function (kv) {
  "use strict";

  const BUDGET_MS = 5; // of one picture of the screen; drawing what has changed costs several times that
  const STILL_MS = 3000; // tiles stay in their places for so long after somebody touched them
  const FAR_TICKS = 4; // of two a second: how often those out of sight are brought up to date
  const DRAWN = 556; // width of a tile in its own units
  const UNIT = [0.46, 0.6]; // the smallest and the largest of them, in px
  const FEW = 24; // so many are as large as they can be
  const FEW_UNIT = [0.46, 1];
  const FEW_WIDTH = [300, 640];
  const FEW_HEIGHT = (width) => 190 + 0.2 * width; // with an alarm of one line
  const STEPS = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: (n) => n, ArrowUp: (n) => -n };

  /** @returns {node, set(ids), mark(ids or null for all), tick(), focus(), stop()} */
  kv.centralTiles = function () {
    const node = kv.el("div", { class: "room-tiles", role: "group", "aria-label": "Rooms, worst first" });
    const tiles = kv.keyed(make);
    const byId = new Map();
    const seen = new Set(); // in sight
    const waiting = new Set(); // to be brought up to date
    let order = [];
    let wanted = null; // an order that waits until nobody touches the tiles
    let touchedMs = -STILL_MS;
    let ticks = 0;
    let frame = 0;
    let fitted = -1; // how many rooms the columns are made for
    let current = ""; // the tile that Tab reaches

    const watch = new IntersectionObserver(
      (changes) => {
        for (const { target, isIntersecting } of changes) {
          const id = target.dataset.room;
          if (isIntersecting) seen.add(id);
          else seen.delete(id);
        }
        mark(seen);
      },
      { rootMargin: "200px" },
    );

    /** As few columns as all rooms fit into without scrolling; null: as many as there can be. */
    function fewColumns(count, width) {
      const gap = parseFloat(getComputedStyle(node).columnGap) || 0;
      const height = node.parentElement ? node.parentElement.clientHeight : 0;
      for (let n = 1; n <= count; n += 1) {
        const each = (width - (n - 1) * gap) / n;
        if (each < FEW_WIDTH[0]) return null;
        if (each <= FEW_WIDTH[1] && Math.ceil(count / n) * (FEW_HEIGHT(each) + gap) <= height) return n;
      }
      const most = Math.floor((width + gap) / (FEW_WIDTH[1] + gap)); // they are fewer than fit beside each other
      return Math.max(count, most);
    }

    function size() {
      const few = order.length > 0 && order.length <= FEW;
      const n = few ? fewColumns(order.length, node.clientWidth) : null;
      kv.attr(node, "data-few", few ? "yes" : null);
      if (n) node.style.setProperty("--columns", n);
      else node.style.removeProperty("--columns");
      const [least, most] = few ? FEW_UNIT : UNIT;
      const unit = Math.min(most, Math.max(least, (parseFloat(columns()[0]) || 0) / DRAWN));
      node.style.setProperty("--u", unit.toFixed(3) + "px");
    }

    const columns = () => getComputedStyle(node).gridTemplateColumns.split(" ");

    const sized = new ResizeObserver(size);
    sized.observe(node);

    function make(id) {
      const tile = kv.centralTile(id);
      watch.observe(tile.node);
      return tile;
    }

    function work() {
      frame = 0;
      const until = performance.now() + BUDGET_MS;
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
      for (const id of waiting) {
        waiting.delete(id);
        const tile = byId.get(id);
        if (tile) tile.update(kv.model.rooms.get(id), nowUs, live);
        if (performance.now() > until) break;
      }
      if (waiting.size) frame = requestAnimationFrame(work);
    }

    function mark(ids) {
      for (const id of ids || order) if (byId.has(id)) waiting.add(id);
      if (!frame && waiting.size) frame = requestAnimationFrame(work);
    }

    function reach(id) {
      for (const each of [current, id]) if (byId.has(each)) byId.get(each).link.tabIndex = each === id ? 0 : -1;
      current = id;
    }

    function arrange(ids) {
      wanted = null;
      const focused = node.contains(document.activeElement) ? document.activeElement : null;
      for (const id of order)
        if (!ids.includes(id)) {
          watch.unobserve(byId.get(id).node);
          seen.delete(id);
        }
      order = ids;
      const shown = tiles(ids);
      byId.clear();
      ids.forEach((id, i) => byId.set(id, shown[i]));
      kv.arrange(node, shown.map((tile) => tile.node));
      if (ids.length !== fitted) size();
      fitted = ids.length;
      if (!byId.has(current)) current = "";
      reach(current || ids[0] || "");
      // what is moved in a document loses the focus
      if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    }

    /** The same rooms keep their places while somebody points at them. */
    function settle() {
      if (wanted && performance.now() - touchedMs >= STILL_MS) arrange(wanted);
    }

    function set(ids) {
      const same = ids.length === order.length && ids.every((id) => byId.has(id));
      if (same) wanted = ids.join() === order.join() ? null : ids;
      else arrange(ids);
      settle();
      mark(null);
    }

    function onKey(event) {
      const at = order.indexOf(document.activeElement.closest(".room-tile")?.dataset.room);
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = STEPS[event.key];
      const to = event.key === "Home" ? 0 : event.key === "End" ? order.length - 1 : step ? at + step(columns().length) : -1;
      if (to < 0 || to >= order.length) return;
      event.preventDefault();
      byId.get(order[to]).link.focus();
    }

    const touch = () => (touchedMs = performance.now());
    for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"])
      node.addEventListener(name, touch, { passive: true });
    node.addEventListener("focusin", (event) => {
      touch();
      const tile = event.target.closest(".room-tile");
      if (tile) reach(tile.dataset.room);
    });
    node.addEventListener("keydown", onKey);

    return {
      node,
      set,
      mark,
      tick() {
        settle();
        ticks += 1;
        mark(ticks % FAR_TICKS === 0 ? null : seen);
      },
      /** Ids in the order of the page. */
      get order() {
        return order;
      },
      focus() {
        if (byId.has(current)) byId.get(current).link.focus();
      },
      stop() {
        cancelAnimationFrame(frame);
        watch.disconnect();
        sized.disconnect();
        waiting.clear();
      },
    };
  };
})(window.kv);
