/* The trend of a session as a Plotly figure: SpO2, pulse and blood pressure above each other, from
   the decimated buckets. Gaps stay gaps. Words and limit lines lie over the figure, not in it:
   Plotly draws each of them anew every time, and half its time went into them. */
(function (kv) {
  "use strict";

  const SLACK_US = 10e6; // a longer pause of a streaming vital is a gap
  const MINUTE_US = 60e6;
  const PULSE = ["hr", "pr"];
  const CUFF = ["nibp_sys", "nibp_dia"];
  // `always` is the span that is shown in any case; a value beyond it widens the axis
  const PANELS = [
    { title: "SpO₂ %", channels: ["spo2"], axis: "y", domain: [0.74, 1], always: [80, 101], step: 5 },
    { title: "HR / PR /min", channels: PULSE, axis: "y2", domain: [0.415, 0.69], always: [35, 145], step: 20 },
    { title: "BP mmHg", channels: CUFF, axis: "y3", domain: [0, 0.365], always: [32, 205], step: 40 },
  ];
  const WINDOWS = [30, 60, 90, 120, 150, 180, 240, 360, 480, 720, 1440]; // minutes of the time axis
  const STEPS = [
    [40, 5],
    [100, 10],
    [200, 20],
    [400, 60],
    [1e9, 240],
  ]; // up to so many minutes: one tick in so many
  const MOST_WORDS = 12; // events with their words; older ones keep their line
  const WORDS = 0.12; // width of a mark's words, in parts of the plot
  const MARGIN = { l: 44, r: 82, t: 56, b: 40 };

  const runsOf = (trend) => kv.runs(trend.rows, trend.widthUs, SLACK_US);
  const panelOf = (channel) => PANELS.find((panel) => panel.channels.includes(channel));

  /** Minutes of the time axis for a session that has run so long: it grows in steps, not always. */
  const reach = (minutes) => WINDOWS.find((most) => most >= minutes + 1) || Math.ceil(minutes);

  /** From where to where a panel's axis goes. */
  function span(room, { channels, always, step }) {
    let [low, high] = always;
    for (const channel of channels)
      for (const [, least, most] of room.trends[channel] ? room.trends[channel].rows : []) {
        low = Math.min(low, Math.floor(least / step) * step);
        high = Math.max(high, most + 1);
      }
    return [low, high];
  }

  /** The middle of each bucket; a lone bucket between two gaps is drawn as wide as it is. */
  function line(trend, x) {
    const xs = [];
    const ys = [];
    for (const run of runsOf(trend)) {
      for (const [start, low, high] of run) {
        xs.push(x(start + trend.widthUs / 2));
        ys.push((low + high) / 2);
      }
      if (run.length === 1) {
        xs.push(x(run[0][0] + trend.widthUs));
        ys.push(ys[ys.length - 1]);
      }
      xs.push(null);
      ys.push(null);
    }
    return { x: xs, y: ys, mode: "lines" };
  }

  /** From the minimum to the maximum of each bucket: extremes are always to be seen. */
  function band(trend, x) {
    const xs = [];
    const ys = [];
    const push = (us, value) => {
      xs.push(x(us));
      ys.push(value);
    };
    for (const run of runsOf(trend)) {
      const [first, last] = [run[0], run[run.length - 1]];
      const middle = run.map(([start, low, high]) => [start + trend.widthUs / 2, low, high]);
      const edge = [first, ...middle, [last[0] + trend.widthUs, last[1], last[2]]];
      edge.forEach(([us, , high]) => push(us, high));
      edge.reverse().forEach(([us, low]) => push(us, low));
      xs.push(null);
      ys.push(null);
    }
    return { x: xs, y: ys, mode: "lines", fill: "toself" };
  }

  /** Each reading as a line between its two markers, as a cuff's chart is drawn: one trace. */
  function readings(systolic, diastolic, x) {
    const xs = [];
    const ys = [];
    const symbols = [];
    const values = ([, low, high]) => (low === high ? [low] : [low, high]);
    const below = new Map(diastolic.rows.map((row) => [row[0], values(row)]));
    for (const row of systolic.rows) {
      const at = x(row[0] + systolic.widthUs / 2);
      const ends = [...values(row).map((value) => [value, "triangle-down"])];
      for (const value of below.get(row[0]) || []) ends.push([value, "triangle-up"]);
      for (const [value, symbol] of [...ends, [null, "circle"]]) {
        xs.push(at);
        ys.push(value);
        symbols.push(symbol);
      }
    }
    return { x: xs, y: ys, mode: "lines+markers", symbols };
  }

  function traces(room, x, colours) {
    const of = (channel) => room.trends[channel];
    const always = { type: "scatter", xaxis: "x", hoverinfo: "skip", connectgaps: false };
    const drawn = kv.expected.traces(room, x, colours.nibp).map((trace) => ({ ...always, yaxis: "y3", ...trace }));
    for (const channel of ["spo2", "hr", "pr"]) {
      if (!of(channel)) continue;
      const yaxis = panelOf(channel).axis;
      const dash = channel === "pr" && of("hr") ? "dot" : "solid";
      const fillcolor = colours[channel] + "59";
      const edge = { width: 0 };
      const stroke = { color: colours[channel], width: 1.5, dash };
      drawn.push({ ...always, ...band(of(channel), x), name: channel + " range", yaxis, fillcolor, line: edge });
      drawn.push({ ...always, ...line(of(channel), x), name: channel, yaxis, line: stroke });
    }
    if (of("nibp_sys") && of("nibp_dia")) {
      const { symbols, ...trace } = readings(of("nibp_sys"), of("nibp_dia"), x);
      const marker = { symbol: symbols, size: 9, color: colours.nibp };
      const stroke = { color: colours.nibp, width: 1.5 };
      drawn.push({ ...always, ...trace, name: "nibp", yaxis: "y3", cliponaxis: false, marker, line: stroke });
    }
    return drawn;
  }

  /** Limits of what is drawn; where there is a heart rate, the pulse rate has no lines of its own. */
  function drawnLimits(room) {
    const unused = room.trends.hr ? "pr" : "hr";
    return kv.model.limits(room).filter((limit) => panelOf(limit.channel) && limit.channel !== unused);
  }

  function ticksOf([low, high], step) {
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) ticks.push(at);
    return ticks;
  }

  /** What lies over the plot: {kind, text, x?, y?, width?} in parts of the plot's area; a limit is
      a line across at y, a mark a line upright at x, a gap a band from x. */
  function overlay(room, frame) {
    const { across, spans, times } = frame;
    const height = (panel, value) => {
      const [low, high] = spans.get(panel);
      const [bottom, top] = panel.domain;
      return bottom + ((value - low) / (high - low)) * (top - bottom);
    };
    // Where the words of a later mark in the same row would lie on them, these go; the list of
    // events has them all. Those of the dose stay.
    const covered = (mark, i) =>
      mark.kind !== "dose" &&
      room.marks.some((later, j) => j > i && (j - i) % 2 === 0 && across(later.at_us) - across(mark.at_us) < WORDS);
    const of = {
      title: (panel) => ({ kind: "title " + panel.channels[0], text: panel.title, x: 0, y: panel.domain[1] }),
      level: (panel, at) => ({ kind: "level", text: String(at), y: height(panel, at) }),
      time: ({ us, since }) => ({ kind: "time", text: since + kv.words.time(us), x: across(us) }),
      limit: (limit) => ({
        kind: "limit " + limit.priority + " of-" + limit.channel + (limit.why ? " own" : ""),
        text: ({ nibp_sys: "S ", nibp_dia: "D " }[limit.channel] || "") + limit.limit + (limit.why ? "*" : ""),
        y: height(panelOf(limit.channel), limit.limit),
      }),
      mark: (mark, i) => ({
        kind: "mark row-" + (i % 2) + (mark.kind === "dose" ? " dose" : ""),
        text: i < room.marks.length - MOST_WORDS || covered(mark, i) ? "" : kv.words.short(kv.words.mark(mark), 18),
        x: across(mark.at_us),
      }),
      gap: ([from, to]) => {
        const x = across(from);
        return { kind: "gap", text: "not recorded", x, width: across(to) - x };
      },
    };
    return [
      ...(room.session.gaps || []).map(of.gap),
      ...PANELS.map(of.title),
      ...PANELS.flatMap((panel) => ticksOf(spans.get(panel), panel.step).map((at) => of.level(panel, at))),
      ...times.map(of.time),
      ...drawnLimits(room).map(of.limit),
      ...expectedWords(room),
      ...room.marks.map(of.mark),
    ];
  }

  /** What is said of the band behind the blood pressure, at the foot of its panel. */
  function expectedWords(room) {
    const own = drawnLimits(room).some((limit) => limit.why) ? "* this patient's limit" : "";
    const text = [kv.expected.words(room), own].filter(Boolean).join(" · ");
    return text ? [{ kind: "expected", text, x: 0.005, y: PANELS[2].domain[0] }] : [];
  }

  /** The figure of a room that has a session: {data, layout, overlay}. Times are minutes from the
      dose, before it from the start of the session. */
  kv.figure = function (room, nowUs, colours) {
    const session = room.session;
    const dosed = session.dose_us !== null;
    const originUs = dosed ? session.dose_us : session.started_us;
    const x = (us) => (us - originUs) / MINUTE_US;
    const from = x(session.started_us);
    const to = from + reach(x(nowUs) - from);
    const tickvals = ticksOf([from, to], STEPS.find(([most]) => to - from <= most)[1]);
    const spans = new Map(PANELS.map((panel) => [panel, span(room, panel)]));
    const axis = { gridcolor: colours.line, zeroline: false, fixedrange: true, showticklabels: false };
    const layout = {
      margin: MARGIN,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: false,
      dragmode: false,
      xaxis: { ...axis, range: [from, to], tickvals, anchor: "y3" },
    };
    for (const panel of PANELS) {
      const range = spans.get(panel);
      const name = "yaxis" + panel.axis.slice(1);
      layout[name] = { ...axis, domain: panel.domain, range, tickvals: ticksOf(range, panel.step) };
    }
    const since = (at) => (dosed ? "T" + (at < 0 ? "−" : "+") + kv.words.hours(at * 60) + "\n" : "");
    const times = tickvals.map((at) => ({ us: originUs + at * MINUTE_US, since: since(at) }));
    const across = (us) => (x(us) - from) / (to - from);
    return { data: traces(room, x, colours), layout, overlay: overlay(room, { across, spans, times }) };
  };

  /** What the figure depends on: unless this changes there is nothing new to draw. */
  kv.figureState = function (room, nowUs) {
    const newest = Object.entries(room.trends).map(([channel, trend]) => {
      const last = trend.rows[trend.rows.length - 1] || [];
      return [channel, trend.rows.length, trend.widthUs, last[0], last[1], last[2]];
    });
    const { id, dose_us: doseUs, gaps } = room.session;
    const minutes = reach((nowUs - room.session.started_us) / MINUTE_US);
    return JSON.stringify([id, doseUs, gaps, minutes, room.marks.length, kv.model.limits(room), kv.expected.words(room), newest]);
  };
})(window.kv);
