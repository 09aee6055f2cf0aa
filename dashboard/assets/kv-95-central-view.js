/* `/` at the centre: sites and clinics, what is asked, and the rooms that answer it. */
(function (kv) {
  "use strict";

  const WRITES = "input, textarea, select, [contenteditable], dialog *";
  let present = null; // the view that is on the page

  kv.on("frame", (messages) => {
    if (!present) return;
    if (messages.some((message) => message.t === "room")) return present.answer(); // one more is known
    const all = messages.some((message) => message.t === "snapshot" || message.t === "ward");
    present.mark(all ? null : new Set(messages.map((message) => message.room)));
  });
  kv.on("ward", () => present && present.answer());

  /** "1–200 of 1234 rooms", and the ways to the others. */
  function pager(go) {
    const words = kv.el("span", { role: "status" });
    const before = kv.el("button", { type: "button", onclick: () => go(-1) }, "‹ Before");
    const after = kv.el("button", { type: "button", onclick: () => go(1) }, "Next ›");
    const node = kv.el("nav", { class: "central-pager", "aria-label": "More rooms", hidden: true }, before, words, after);
    return {
      node,
      update(total, offset, shown) {
        const from = total ? offset + 1 : 0;
        const whole = total + (total === 1 ? " room" : " rooms");
        kv.text(words, shown < total ? from + "–" + (offset + shown) + " of " + whole : whole);
        kv.show(before, offset > 0);
        kv.show(after, offset + shown < total);
      },
    };
  }

  kv.centralOverview = function (container) {
    const question = kv.centralQuestion(ask);
    const sites = kv.centralSites((chosen) => question.choose(chosen));
    const tiles = kv.centralTiles();
    const pages = pager((step) => {
      const { AT_ONCE } = kv.centralQuestion;
      const offset = Math.max(0, question.asked().offset + step * AT_ONCE);
      question.choose({ offset: offset ? String(offset) : "" });
      scroll.scrollTop = 0;
    });
    const empty = kv.el("p", { class: "empty" });
    const top = kv.el("div", { class: "central-top" }, sites.toggle, question.node);
    const scroll = kv.el("div", { class: "central-scroll", tabindex: -1 }, tiles.node, empty, pages.node);
    const main = kv.el("div", { class: "central-main" }, top, scroll);
    container.append(kv.el("h1", { class: "unseen" }, "Rooms of all sites"), kv.el("div", { class: "central" }, sites.node, main));

    let counted = true; // whether what the page counts is known

    function ask() {
      kv.central.ask(question.asked());
    }

    function words() {
      if (!kv.central.answered()) return tiles.order.length ? "" : "Asking for the rooms …";
      if (!kv.central.known) return "Nothing is known of any room: the central database has not answered yet.";
      const { q, site, only } = question.asked();
      if (kv.central.ward.total) return "";
      return q || site || only !== "all" ? "No room is like that. Clear the search, or choose all rooms." : "No station has sent a room yet.";
    }

    function answer() {
      kv.text(empty, words());
      if (!kv.central.answered()) return; // of the question before: what is shown stays so long
      const { ward } = kv.central;
      const known = ward.rooms.map((place) => place.id).filter((id) => kv.model.rooms.has(id));
      tiles.set(known);
      question.update(ward);
      sites.update(ward, question.values);
      pages.update(ward.total, question.asked().offset, ward.rooms.length);
      counted = kv.central.known;
      kv.show(pages.node, ward.total > 0);
      kv.text(empty, words());
    }

    function onKey(event) {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest && event.target.closest(WRITES)) return;
      event.preventDefault();
      question.focus();
    }
    document.addEventListener("keydown", onKey);
    question.node.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" || !tiles.order.length) return;
      event.preventDefault();
      tiles.focus();
    });
    present = { mark: tiles.mark, answer };
    kv.central.begin();
    let begun = false;
    return {
      title: "All sites",
      waves: [],
      update() {},
      tick() {
        tiles.tick();
        if (counted !== kv.central.known) answer();
        kv.text(empty, words());
      },
      rebuild() {
        if (!begun) ask(); // after the server was told that no room's waveforms are wanted
        begun = true;
        answer();
      },
      unmount() {
        present = null;
        document.removeEventListener("keydown", onKey);
        question.stop();
        tiles.stop();
      },
    };
  };
})(window.kv);
