/* The last quarter of an hour of one vital, drawn on a canvas once a second. */
(function (kv) {
  "use strict";

  const SPAN_US = 15 * 60 * 1e6;
  const SLACK_US = 10e6; // a longer pause is a gap
  const RANGES = { spo2: [84, 100], hr: [40, 140], pr: [40, 140] };

  /** The drawing surface of a canvas, as sharp as the screen; null while it has no size. */
  kv.surface = function (canvas) {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return null;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    return { g: canvas.getContext("2d"), width, height, ratio };
  };

  kv.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  /** @returns {node, draw(room, channel, nowUs)} */
  kv.sparkline = function () {
    const node = kv.el("canvas", { class: "sparkline", "aria-hidden": "true" });
    const colours = {};

    function limits(room, channel, y, g, width) {
      g.setLineDash([4, 4]);
      g.globalAlpha = 0.5;
      g.strokeStyle = colours.limit = colours.limit || kv.colour("grey");
      g.lineWidth = 1;
      for (const limit of kv.model.limits(room).filter((each) => each.channel === channel && each.priority === "high")) {
        g.beginPath();
        g.moveTo(0, y(limit.limit));
        g.lineTo(width, y(limit.limit));
        g.stroke();
      }
      g.setLineDash([]);
      g.globalAlpha = 1;
    }

    function draw(room, channel, nowUs) {
      const surface = kv.surface(node);
      if (!surface) return;
      const { g, width, height, ratio } = surface;
      g.clearRect(0, 0, width, height);
      const trend = room.trends[channel];
      if (!trend || nowUs === null) return;
      const [low, high] = RANGES[channel];
      const pad = 2 * ratio;
      const x = (us) => width - pad - ((nowUs - us) / SPAN_US) * (width - pad);
      const y = (value) =>
        pad + (1 - (Math.min(high, Math.max(low, value)) - low) / (high - low)) * (height - 2 * pad);
      limits(room, channel, y, g, width);
      const recent = trend.rows.filter((row) => row[0] > nowUs - SPAN_US - trend.widthUs);
      g.strokeStyle = colours[channel] = colours[channel] || kv.colour(channel);
      g.lineWidth = 1.5 * ratio;
      g.lineJoin = "round";
      g.fillStyle = g.strokeStyle;
      for (const run of kv.runs(recent, trend.widthUs, SLACK_US)) {
        const at = (row) => x(row[0] + trend.widthUs / 2);
        g.beginPath();
        run.forEach((row) => g.lineTo(at(row), y(row[2]) - ratio));
        [...run].reverse().forEach((row) => g.lineTo(at(row), y(row[1]) + ratio));
        g.globalAlpha = 0.35; // from minimum to maximum
        g.fill();
        g.globalAlpha = 1;
        g.beginPath();
        run.forEach((row) => g.lineTo(at(row), y((row[1] + row[2]) / 2)));
        g.stroke();
      }
    }
    return { node, draw };
  };
})(window.kv);
