/* Review: the course of a session as a figure, the chosen moment on it, and how to move both. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const CONFIG = { displaylogo: false, displayModeBar: false, responsive: true };
  const NARROW_PX = 640;
  const WIDE_PX = 1500; // the words were placed for this
  const LETTER_PX = 7;
  const SHEET_PX = [700, 380]; // of the figure on an A4 sheet
  const STILL_PX = 5; // a pointer that moved less has clicked
  const NEAR_US = 15 * 60e6; // half of what is shown around a moment
  const SPANS = [
    ["Whole session", 0],
    ["2 h", 120],
    ["1 h", 60],
    ["30 min", 30],
    ["10 min", 10],
    ["2 min", 2],
  ];
  const LEGEND =
    "▽△ BP (open: entered by hand, M) · ✕ BP not obtained · ○ questionable · dotted: alarm limits in force (* not the profile's) · " +
    "grey: not recorded · violet: off the monitor · soft band: expected course – not a limit";
  // the figure on white paper
  const PAPER = {
    "#e8eef4": "#111111", "#a3b3c2": "#333333", "#243140": "#d5dbe1", "#56b4e9": "#0a66a8",
    "#00c896": "#00704f", "#ff9a6c": "#b3420a", "#c9a6ff": "#6b3fa0", "#facc15": "#a16c00",
    "#ff8f85": "#b3261e", "#33475a": "#dfe6ec", "#263747": "#eef2f5", "#274a5e": "#dcebf3",
    "#5a4a78": "#d9d2e6",
  };

  const copy = (value) => JSON.parse(JSON.stringify(value));

  /** The words over and in a plot of this width: those of a mark only where they cover no other. */
  function roomFor(annotations, [from, to], width) {
    const taken = new Map(); // row -> [left, right] of its words, in px
    const over = (each) => each.yref === "paper" && each.yanchor === "bottom" && each.xref !== "paper";
    const doseFirst = (a, b) => Number(b.name === "dose") - Number(a.name === "dose");
    const marks = annotations.filter(over).sort(doseFirst);
    const fits = marks.filter((each) => {
      const left = ((each.x - from) / (to - from)) * width;
      const right = left + LETTER_PX * (each.text.length + 2);
      const row = taken.get(each.yshift) || [];
      if (row.some(([start, end]) => left < end && right > start)) return false;
      taken.set(each.yshift, [...row, [left, right]]);
      return true;
    });
    const crowded = (each) => each.name === "span" && width < NARROW_PX;
    return annotations.filter((each) => (over(each) ? fits.includes(each) : !crowded(each)));
  }

  /** Less beside the plot and fewer words over it where there is no room for them. */
  function fitted(layout, width) {
    if (width >= WIDE_PX) return layout;
    const less = copy(layout);
    if (width < NARROW_PX) {
      less.margin = { l: 70, r: 34, t: 64, b: 34 };
      less.font.size = 11;
    }
    const { l, r } = less.margin;
    less.annotations = roomFor(less.annotations, less.xaxis.range, width - l - r);
    return less;
  }

  function onPaper(figure, range) {
    const text = JSON.stringify(figure).replace(/#[0-9a-f]{6}/g, (colour) => PAPER[colour] || colour);
    const { data, layout } = JSON.parse(text);
    const light = fitted(layout, SHEET_PX[0]);
    const [width, height] = SHEET_PX;
    light.margin = { l: 70, r: 74, t: 48, b: 22 };
    light.font.size = 10;
    light.uniformtext = { mode: false };
    const inner = width - light.margin.l - light.margin.r;
    const [from, to] = light.xaxis.range;
    for (const strip of data.filter((trace) => trace.type === "bar")) {
      const room = (i) => (strip.x[i] / (to - from)) * inner;
      strip.constraintext = "none";
      strip.insidetextfont.size = 8;
      strip.text = strip.text.map((text, i) => (room(i) > text.length * 5 ? text : ""));
    }
    for (const axis of Object.values(light)) if (axis && axis.ticktext) axis.tickfont.size = 9;
    for (const each of light.annotations) each.font.size = 9;
    for (const axis of Object.values(light)) if (axis && axis.title) axis.title.font = { size: 9 };
    return { data, layout: { ...light, width, height, xaxis: { ...light.xaxis, range } } };
  }

  /** Turns places on the plot into times and back, from the range that is shown now. */
  function scale(plot, axis) {
    const offsetMs = axis.utc_offset_s * 1000;
    const toUs = (ms) => (ms - offsetMs) * 1000;
    const toMs = (us) => us / 1000 + offsetMs;
    const ms = (end) => (typeof end === "number" ? end : Date.parse(String(end).replace(" ", "T") + "Z"));
    const area = () => {
      const { l, r, t, b } = plot.layout.margin;
      return { left: l, width: Math.max(1, plot.clientWidth - l - r), top: t, height: plot.clientHeight - t - b };
    };
    const range = () => plot.layout.xaxis.range.map((end) => toUs(ms(end)));
    return {
      area,
      range,
      toMs,
      at(px) {
        const { left, width } = area();
        const [from, to] = range();
        return from + ((px - left) / width) * (to - from);
      },
      part(us) {
        const [from, to] = range();
        return (us - from) / (to - from);
      },
    };
  }

  /** The chosen stretch over the plot: a node that follows the range. */
  function chosen(wrap, places) {
    const band = kv.el("div", { class: "chosen", "aria-hidden": "true" });
    wrap.append(band);
    return function ([fromUs, toUs]) {
      const { left, width, top, height } = places.area();
      const from = Math.max(0, places.part(fromUs));
      const to = Math.min(1, places.part(toUs));
      kv.show(band, to > from);
      band.style.left = left + from * width + "px";
      band.style.width = Math.max(2, (to - from) * width) + "px";
      band.style.top = top + "px";
      band.style.height = height + "px";
    };
  }

  function spanField(change) {
    const options = SPANS.map(([words, minutes]) => kv.el("option", { value: minutes }, words));
    const select = kv.el("select", { "aria-label": "How much of the session is shown" }, ...options);
    select.addEventListener("change", () => change(Number(select.value)));
    return select;
  }

  /** Calls with the x of a click on the plot's area; a drag is Plotly's own. */
  function onClicks(wrap, places, clicked) {
    let down = null;
    wrap.addEventListener("pointerdown", (event) => (down = [event.clientX, event.clientY]), true);
    // Plotly covers the page while a button is down, and hands a click on to where it began.
    const released = (event) => {
      const [x, y] = down || [Infinity, 0];
      down = null;
      if (Math.hypot(event.clientX - x, event.clientY - y) > STILL_PX) return;
      const px = event.clientX - wrap.getBoundingClientRect().left;
      const { left, width } = places.area();
      if (px >= left && px <= left + width) clicked(places.at(px));
    };
    wrap.addEventListener("click", released, true);
  }

  /** On paper the figure is light and as wide as the sheet. */
  function printable(plotly, plot, figure, redraw) {
    const paper = window.matchMedia("print");
    const forPaper = () => {
      const { data, layout } = onPaper(figure, plot.layout.xaxis.range);
      plotly.react(plot, data, layout, CONFIG);
    };
    const changed = () => plot.isConnected && (paper.matches ? forPaper() : redraw());
    const before = () => plot.isConnected && forPaper();
    const after = () => plot.isConnected && redraw();
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
    paper.addEventListener("change", changed);
    return () => {
      window.removeEventListener("beforeprint", before);
      window.removeEventListener("afterprint", after);
      paper.removeEventListener("change", changed);
    };
  }

  review.sections.push({
    id: "course",
    title: "",
    order: 10,
    load: async (place, context) => {
      const { session } = context;
      const plot = kv.el("div", { class: "review-plot", role: "img", "aria-label": "Trend of the session; the tables below say the same in words" });
      const wrap = kv.el("div", { class: "review-trend" }, plot);
      const bar = kv.el("div", { class: "review-bar" });
      place.append(bar, wrap, kv.el("p", { class: "legend" }, LEGEND));
      const asked = [kv.plotly(), context.ask("/figure")];
      const [plotly, figure] = await Promise.all(asked);
      if (!place.isConnected) return;

      const started = performance.now();
      const layout = () => fitted({ ...figure.layout, dragmode: coarse ? false : "zoom" }, wrap.clientWidth);
      const coarse = window.matchMedia("(pointer: coarse)").matches;
      await plotly.newPlot(plot, figure.data, layout(), CONFIG);
      place.dataset.drawMs = (performance.now() - started).toFixed(0);
      const places = scale(plot, figure.axis);
      const mark = chosen(wrap, places);
      const { from_us: firstUs, to_us: lastUs } = figure.axis;

      function range(fromUs, toUs) {
        const from = Math.max(firstUs, Math.min(fromUs, lastUs - (toUs - fromUs)));
        const to = Math.min(lastUs, from + (toUs - fromUs));
        return plotly.relayout(plot, { "xaxis.range": [places.toMs(from), places.toMs(to)] });
      }
      const spans = spanField((minutes) => {
        const middle = (window_.from() + window_.to()) / 2;
        if (minutes) range(middle - minutes * 30e6, middle + minutes * 30e6);
        else range(firstUs, lastUs);
      });
      bar.append(kv.el("label", { class: "review-span" }, "Show ", spans));

      const window_ = review.window(place, context, {
        firstUs,
        lastUs,
        margin: () => figure.layout && plot.layout.margin,
        moved: (fromUs, toUs) => mark([fromUs, toUs]),
      });
      plot.on("plotly_relayout", () => {
        window_.align();
        mark([window_.from(), window_.to()]);
      });
      onClicks(wrap, places, (us) => window_.around(us));

      context.show = function (us) {
        const [from, to] = places.range();
        if (to - from > 3 * NEAR_US || us < from || us > to) range(us - NEAR_US, us + NEAR_US);
        window_.around(us);
        spans.value = "";
        place.scrollIntoView({ block: "start", behavior: "auto" });
        context.announce("The trend shows " + review.second(us, session));
      };

      const gone = printable(plotly, plot, figure, () => {
        const screen = layout();
        const xaxis = { ...screen.xaxis, range: plot.layout.xaxis.range };
        plotly.react(plot, figure.data, { ...screen, xaxis, autosize: true, width: undefined, height: undefined }, CONFIG);
      });
      const sized = new ResizeObserver(() => {
        if (!place.isConnected) {
          sized.disconnect();
          gone();
          plotly.purge(plot);
          return;
        }
        window_.align();
        mark([window_.from(), window_.to()]);
      });
      sized.observe(wrap);
    },
  });
})(window.kv);
