/* The pleth as a sweep of eight seconds: the newest sample is drawn over the oldest. */
(function (kv) {
  "use strict";

  const SWEEP_US = 8e6;
  const DELAY_US = 0.5e6; // packets come three times a second; played back evenly
  const OLD_US = 3e6;
  const SETTLE_US = 1e6; // of signal, to find its scale before anything is drawn
  const GAP_US = 0.25e6;
  const ERASE = 0.035; // of the width, ahead of the pen

  /** @returns {node, feed(room), frame()}; `frame` belongs into requestAnimationFrame */
  kv.pleth = function () {
    const canvas = kv.el("canvas", { class: "pleth", role: "img", "aria-label": "pleth waveform" });
    const empty = kv.el("span", { class: "pleth-empty" }, "no pleth");
    const node = kv.el("div", { class: "pleth-box" }, canvas, empty);
    const colour = kv.colour("spo2");
    let samples = []; // [us, value], waiting to be drawn
    let pen = null; // the last point drawn
    let low = 0;
    let high = 0;
    let drawnUs = 0;

    function feed(room) {
      for (const wave of room.waves.splice(0)) {
        if (wave.channel !== "pleth" || wave.quality === "invalid") continue;
        wave.y.forEach((value, i) => samples.push([wave.start_us + (i * 1e6) / wave.rate_hz, value]));
      }
      if (samples.length > 2000) samples = samples.slice(-2000);
      if (high > low || !samples.length || samples[samples.length - 1][0] - samples[0][0] < SETTLE_US) return;
      low = Math.min(...samples.map((sample) => sample[1]));
      high = Math.max(low + 1, ...samples.map((sample) => sample[1]));
    }

    // The scale follows the signal: at once when it grows, slowly when it shrinks.
    function scale(value) {
      const shrink = (high - low) * 0.002;
      low = Math.min(value, low + shrink);
      high = Math.max(value, high - shrink, low + 1);
      return 0.92 - (0.84 * (value - low)) / (high - low);
    }

    function frame() {
      const nowUs = kv.clock.nowUs();
      const surface = kv.surface(canvas);
      if (!surface || nowUs === null) return;
      const { g, width, height, ratio } = surface;
      const playUs = nowUs - DELAY_US * kv.clock.speed;
      kv.show(empty, nowUs - drawnUs > OLD_US * kv.clock.speed);
      const due = [];
      while (high > low && samples.length && samples[0][0] <= playUs) due.push(samples.shift());
      const ready = due.filter(([us]) => nowUs - us <= OLD_US * kv.clock.speed);
      if (!kv.link.live()) pen = null;
      g.strokeStyle = colour;
      g.lineWidth = 2 * ratio;
      g.lineJoin = "round";
      for (const [us, value] of ready) {
        const point = { us, x: ((us % SWEEP_US) / SWEEP_US) * width, y: scale(value) * height };
        const joined = pen && us - pen.us < GAP_US && point.x > pen.x;
        const from = joined ? pen.x : point.x;
        g.clearRect(from + ratio, 0, point.x - from + ERASE * width, height);
        if (point.x < from + ERASE * width) g.clearRect(0, 0, Math.max(0, from + ERASE * width - width), height);
        if (joined) {
          g.beginPath();
          g.moveTo(pen.x, pen.y);
          g.lineTo(point.x, point.y);
          g.stroke();
        }
        pen = point;
        drawnUs = us;
      }
      if (drawnUs && nowUs - drawnUs > SWEEP_US * kv.clock.speed) {
        g.clearRect(0, 0, width, height); // nothing of a sweep that is over stays
        pen = null;
      }
    }
    return { node, feed, frame };
  };
})(window.kv);
