/* Puts the view of the present page into the container that Dash has laid out, and starts. */
(function (kv) {
  "use strict";

  const BRAND = "kap-vitals";

  let bar = null;
  let below = []; // what stands below the bar beside its banners: {node, update()}
  let place = null; // the container in use
  let shown = ""; // what is in it
  let view = null;
  let mountedPath = "";

  const DRAW_MS = 16; // many rooms tell at the same time: drawn together, not room by room
  let drawnMs = -DRAW_MS;
  let drawing = 0; // a timer, not the next frame of the screen: a page in the background has none

  /** Goes to another page without loading it anew, so that sound stays permitted. All of the
      address is given: a page may have changed it without telling Dash. */
  kv.go = function (path) {
    const { pathname, search, href } = new URL(path, location.href);
    window.dash_clientside.set_props("kv-url", { pathname, search, href });
  };
  /** Click handler for links within the program. */
  kv.follow = function (event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    kv.go(event.currentTarget.getAttribute("href"));
  };
  kv.title = function (prefix) {
    const wanted = prefix + (view ? view.title + " · " : "") + BRAND;
    if (document.title !== wanted) document.title = wanted;
  };

  /** What Dash gives is as the address has it, when it has changed the page without loading it. */
  function plain(argument) {
    try {
      return decodeURIComponent(argument);
    } catch {
      return argument; // there is no such room, which the page says
    }
  }

  function unmount() {
    if (view) view.unmount();
    if (place) place.replaceChildren();
    view = null;
    shown = "";
  }

  function start() {
    const banners = document.getElementById("kv-banners");
    bar = kv.bar(document.getElementById("kv-bar"), banners);
    below = [kv.heldBanner(), kv.strip()];
    banners.append(...below.map((each) => each.node));
  }

  function updateBar() {
    if (!bar) return;
    bar.update();
    below.forEach((each) => each.update());
  }

  function draw(anew) {
    clearTimeout(drawing);
    drawing = 0;
    if (view && anew) view.rebuild();
    else if (view) view.update();
    updateBar();
    drawnMs = performance.now();
  }

  function mount() {
    if (!bar && document.getElementById("kv-bar"))
      start();
    const container = document.querySelector("[data-view]");
    const wanted = container ? container.dataset.view + " " + (container.dataset.argument || "") : "";
    if (container === place && wanted === shown) return;
    unmount();
    place = container;
    if (!container) return;
    shown = wanted;
    mountedPath = location.pathname;
    document.body.dataset.page = container.dataset.view;
    view = kv.views[container.dataset.view](container, plain(container.dataset.argument || ""));
    kv.link.wants(view.waves);
    view.rebuild();
    updateBar();
  }

  kv.on("frame", (messages) => {
    if (messages.every((message) => message.t === "wave")) return;
    if (messages.some((message) => message.t === "snapshot")) draw(true);
    else if (!drawing) {
      const restMs = drawnMs + DRAW_MS - performance.now();
      if (restMs <= 0) draw(false);
      else drawing = setTimeout(draw, restMs, false);
    }
  });
  // What serves the page says whether it is a station's or the centre's: other views, then.
  kv.on("central", () => {
    unmount();
    place = null;
    mount();
  });
  // Somebody chose another page while the server was away: Dash has changed the address only.
  kv.on("synced", () => view && location.pathname !== mountedPath && location.reload());
  kv.on("tick", () => {
    if (view) view.tick();
    updateBar();
  });

  /** Dash lays the frame out some time after the page has loaded, then changes only one node. */
  function watchPages() {
    const content = document.getElementById("_pages_content");
    if (!content) return false;
    new MutationObserver(mount).observe(content, { childList: true });
    new MutationObserver(mount).observe(content, {
      subtree: true,
      attributes: true,
      attributeFilter: ["data-view", "data-argument"],
    });
    mount();
    return true;
  }

  document.addEventListener("DOMContentLoaded", () => {
    kv.link.start();
    if (watchPages()) return;
    const frame = new MutationObserver(() => watchPages() && frame.disconnect());
    frame.observe(document.body, { childList: true, subtree: true });
  });
})(window.kv);
