/* Draws the trend with Plotly: when there is something new, at most once a second, and never on
   the page of all rooms. */
(function (kv) {
  "use strict";

  const NAMES = ["spo2", "hr", "pr", "nibp", "high", "medium", "low", "info", "grey", "soft", "line", "text"];
  const CONFIG = { staticPlot: true, displayModeBar: false };
  let loading = null;

  /** Plotly, from this server, fetched when the first chart asks for it. */
  kv.plotly = function () {
    loading =
      loading ||
      new Promise((resolve, reject) => {
        const script = kv.el("script", { src: document.documentElement.dataset.plotly });
        script.onload = () => resolve(window.Plotly);
        script.onerror = () => {
          loading = null;
          reject(new Error("the chart program could not be loaded"));
        };
        document.head.append(script);
      });
    return loading;
  };

  /** @returns {node, draw(room, nowUs), remove()} */
  kv.chart = function () {
    const empty = kv.el("p", { class: "empty" }, "Loading the trend …");
    const plot = kv.el("div", { class: "plot", role: "img", "aria-label": "trend since the start of the session" });
    const over = kv.el("div", { class: "plot-over" });
    const node = kv.el("div", { class: "chart" }, plot, over, empty);
    const colours = Object.fromEntries(NAMES.map((name) => [name, kv.colour(name)]));
    let plotly = null;
    let drawn = "";
    let laid = "";

    kv.plotly().then(
      (loaded) => (plotly = loaded),
      (error) => kv.text(empty, "The trend cannot be drawn: " + error.message + "."),
    );

    function why(room, nowUs) {
      if (!room.session) return "No session: no trend.";
      return nowUs === null ? "No station: no trend." : "";
    }

    function place({ kind, text, x, y, width }) {
      const node = kv.el("div", { class: kind }, text ? kv.el("span", {}, text) : null);
      const part = (value) => (value * 100).toFixed(2) + "%";
      if (x !== undefined) node.style.left = part(x);
      if (y !== undefined) node.style.bottom = part(y);
      if (width !== undefined) node.style.width = part(width);
      return node;
    }

    function draw(room, nowUs) {
      if (!plotly || !node.isConnected) return;
      const reason = why(room, nowUs);
      kv.show(empty, reason !== "");
      kv.show(plot, reason === "");
      kv.show(over, reason === "");
      if (reason) return kv.text(empty, reason);
      const size = { width: node.clientWidth, height: node.clientHeight };
      const state = kv.figureState(room, nowUs) + size.width + "x" + size.height;
      if (state === drawn || !size.width) return;
      drawn = state;
      const { data, layout, overlay } = kv.figure(room, nowUs, colours);
      const started = performance.now();
      plotly.react(plot, data, { ...layout, ...size }, CONFIG);
      node.dataset.drawMs = (performance.now() - started).toFixed(1);
      node.dataset.draws = Number(node.dataset.draws || 0) + 1;
      const lying = JSON.stringify(overlay);
      if (lying === laid) return;
      laid = lying;
      over.replaceChildren(...overlay.map(place));
    }
    return {
      node,
      draw,
      remove() {
        if (plotly && drawn) plotly.purge(plot);
      },
    };
  };
})(window.kv);
