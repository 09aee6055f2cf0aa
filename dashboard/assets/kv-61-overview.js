/* The page of all rooms. When all fit they stay in their places; when they do not, the worst
   come first and the page says how many cannot be seen. */
(function (kv) {
  "use strict";

  // a tile as it was drawn: at this size its numerals have 106 px
  const TILE = { width: 470, height: 456 };
  const GAP = 8;
  const SMALLEST = 0.55; // of it, while all rooms still fit: numerals of 58 px, good for nearly 2 m
  const COLUMN = 360; // width of a column when they do not

  /** Columns and rows for n tiles on a surface: {columns, rows, scale}. */
  kv.fit = function (n, width, height) {
    let best = { columns: 1, rows: n, scale: 0 };
    for (let columns = 1; columns <= n; columns += 1) {
      const rows = Math.ceil(n / columns);
      const w = (width - GAP * (columns + 1)) / columns;
      const h = (height - GAP * (rows + 1)) / rows;
      const scale = Math.min(w / TILE.width, h / TILE.height);
      if (scale > best.scale + 0.001) best = { columns, rows, scale };
    }
    return best;
  };

  function urgency(room) {
    const worst = kv.model.alarms(room)[0];
    const rank = worst ? (worst.silent ? 0 : kv.rank(worst.priority)) : 0;
    const alarm = worst ? 2 * rank + (worst.acked_by ? 1 : 2) : 0;
    const owed = kv.model.owed(room)[0];
    return alarm * 10 + (owed && owed.state === "overdue" ? 4 : 0) + (room.session ? 2 : 0);
  }

  kv.views.overview = function (container) {
    const ward = kv.ward();
    const grid = kv.el("div", { class: "tiles" });
    const hidden = kv.el("button", { type: "button", class: "hidden-rooms", hidden: true });
    const none = kv.el("p", { class: "empty" });
    const scroll = kv.el("div", { class: "ward-rooms" }, grid, hidden, none);
    container.append(kv.el("h1", { class: "unseen" }, "All rooms"), ward.node, scroll);
    const tiles = kv.keyed((id) => kv.tile(id));
    let shown = [];
    let order = [];
    let fits = true;
    let drawnMs = 0;

    function layout() {
      const n = Math.max(1, kv.model.rooms.size);
      const best = kv.fit(n, scroll.clientWidth, scroll.clientHeight);
      fits = best.scale >= SMALLEST;
      const columns = fits ? best.columns : Math.max(1, Math.floor(scroll.clientWidth / COLUMN));
      grid.dataset.fits = fits ? "yes" : "no";
      grid.style.setProperty("--columns", columns);
      grid.style.setProperty("--rows", best.rows);
    }

    function arrange() {
      const rooms = [...kv.model.rooms.values()];
      if (!fits) rooms.sort((a, b) => urgency(b) - urgency(a));
      const wanted = rooms.map((room) => room.id);
      if (wanted.join() === order.join() && shown.length) return;
      if (grid.contains(document.activeElement) && wanted.length === order.length) return; // not under the finger
      order = wanted;
      shown = tiles(order);
      kv.arrange(grid, shown.map((tile) => tile.node));
    }

    function countHidden() {
      const edge = scroll.getBoundingClientRect();
      const below = order.filter((id, i) => {
        const box = shown[i].node.getBoundingClientRect();
        return box.top > edge.bottom - box.height * 0.4 || box.bottom < edge.top + box.height * 0.4;
      });
      const rooms = below.map((id) => kv.model.rooms.get(id)).filter(Boolean);
      const alarmed = rooms.filter((room) => kv.model.alarms(room).length);
      kv.show(hidden, rooms.length > 0);
      const words = rooms.length + (rooms.length === 1 ? " room" : " rooms") + " not shown";
      kv.text(hidden, words + (alarmed.length ? ", " + alarmed.length + " with alarms" : ", no alarms") + " ↓");
      kv.attr(hidden, "data-alarmed", alarmed.length ? "yes" : null);
    }

    function update() {
      const nowUs = kv.clock.nowUs();
      const live = kv.link.live();
      arrange();
      ward.update();
      order.forEach((id, i) => shown[i].update(kv.model.rooms.get(id), nowUs, live));
      const message = kv.model.hello ? "The station has no rooms yet: add [[room]] tables to its config." : "";
      kv.text(none, order.length ? "" : message);
    }

    function tick() {
      update();
      if (document.hidden || performance.now() - drawnMs < 900) return;
      drawnMs = performance.now();
      const nowUs = kv.clock.nowUs();
      order.forEach((id, i) => shown[i].draw(kv.model.rooms.get(id), nowUs));
      countHidden();
    }

    function rebuild() {
      layout();
      arrange();
      drawnMs = 0;
      tick();
    }

    hidden.addEventListener("click", () =>
      scroll.scrollBy({ top: scroll.clientHeight * 0.8, behavior: "smooth" }),
    );
    const watch = new ResizeObserver(rebuild);
    watch.observe(scroll);
    return { title: "All rooms", waves: [], update, tick, rebuild, unmount: () => watch.disconnect() };
  };
})(window.kv);
