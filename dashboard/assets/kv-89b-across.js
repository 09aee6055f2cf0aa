/* Review of one session: its patient's other sessions beside it. Courses begin at the dose; this
   session is the strong line, the others are grey. Asked for when somebody comes near it. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const SVG = "http://www.w3.org/2000/svg";
  const LATE_MS = 2500; // by then the rest of the page is there, and paper wants all of it
  const LEFT = 46;
  const RIGHT = 10;
  const TALL = 140;
  const HEAD = 26; // above a panel's scale: its label
  const BELOW = 12;
  const FOOT = 22;
  const COLUMNS = ["Session", "Route", "Given", "Baseline BP", "Peak BP", "Lowest SpO₂", "Alarms", "SpO₂ covered"];
  const PANELS = [
    { key: "sys", label: "SYS mmHg", least: [90, 150], step: 20, dots: true },
    { key: "spo2", label: "SpO₂ %", least: [90, 100], step: 5, most: 100 },
    { key: "pr", label: "PR /min", least: [50, 100], step: 20 },
  ];

  function svg(tag, attributes, text) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  // --- words ---------------------------------------------------------------------------------------

  const minute = (value) => (value < 0 ? "−" : "+") + Math.abs(Math.round(value)) + "\u00a0min";
  const at = (value) => (value === null ? "" : " (" + minute(value) + ")");

  function pressure(one) {
    if (!one) return "–";
    const number = (value) => (value === null ? "--" : Math.round(value));
    return number(one.sys) + "/" + number(one.dia) + at(one.minute);
  }

  function given(session) {
    if (!session.doses.length) return "no dose marked";
    return session.doses
      .map(({ kind, drug, mg, mg_kg }) => {
        const amount = mg === null ? "" : mg + " mg" + (mg_kg === null ? "" : " (" + mg_kg + " mg/kg)");
        const words = [kind === "dose" ? "" : kind, drug, amount].filter(Boolean).join(" ");
        return words || kind;
      })
      .join(", ");
  }

  function alarms(counts) {
    const words = ["high", "medium", "low"].filter((each) => counts[each]).map((each) => counts[each] + " " + each);
    return words.join(", ") || "none";
  }

  function row(session, told) {
    const date = review.minute(session.started_us, session);
    const onclick = (event) => kv.follow(event);
    const here = session.id === told.this;
    const name = here ? kv.el("b", {}, date + ", this session") : kv.el("a", { href: "/review/" + session.id, onclick }, date);
    const lowest = session.spo2;
    const doubt = lowest && lowest.questionable ? ", questionable" : "";
    return [
      name,
      kv.words.route(session.route),
      given(session),
      pressure(session.baseline),
      pressure(session.peak),
      lowest ? Math.round(lowest.value) + " %" + at(lowest.minute) + doubt : "–",
      alarms(session.alarms),
      session.coverage === null ? "–" : session.coverage.toFixed(1) + " %",
    ];
  }

  // --- the picture ---------------------------------------------------------------------------------

  /** [least, most] of what is drawn, in whole steps. */
  function span(values, { least, step, most }) {
    const low = Math.min(least[0], ...values);
    const high = Math.max(least[1], ...values);
    const top = Math.ceil(high / step) * step;
    return [Math.floor(low / step) * step, most ? Math.min(most, top) : top];
  }

  /** Runs of points without a gap: of minutes that follow each other, or whatever a cuff gave. */
  function runs(points, gaps) {
    const found = [];
    for (const point of points) {
      const run = found[found.length - 1];
      if (run && !(gaps && point[0] - run[run.length - 1][0] > 1)) run.push(point);
      else found.push([point]);
    }
    return found;
  }

  const spot = (x, y, minutes, value) => x(minutes).toFixed(1) + " " + y(value).toFixed(1);

  function line(points, x, y, value, gaps) {
    return runs(points, gaps)
      .map((run) => "M" + run.map((point) => spot(x, y, point[0], value(point))).join("L"))
      .join("");
  }

  /** From the lowest to the highest value of each minute: no extreme is lost. */
  function band(points, x, y) {
    return runs(points, true)
      .map((run) => {
        const ends = run.map((point) => [point[0] - 0.5, point]).concat([[run[run.length - 1][0] + 0.5, run[run.length - 1]]]);
        const upper = ends.map(([m, point]) => spot(x, y, m, point[2]));
        const lower = ends.map(([m, point]) => spot(x, y, m, point[1])).reverse();
        return "M" + upper.concat(lower).join("L") + "Z";
      })
      .join("");
  }

  function panel(drawing, about, told, top, wide, minutes) {
    const values = told.sessions.flatMap((one) => one.course[about.key].flatMap((point) => point.slice(1)));
    const [low, high] = span(values, about);
    const x = (value) => LEFT + ((value - minutes[0]) / (minutes[1] - minutes[0])) * (wide - LEFT - RIGHT);
    const y = (value) => top + TALL - BELOW - ((value - low) / (high - low)) * (TALL - BELOW - HEAD);
    drawing.append(svg("text", { x: 0, y: top + 14, class: "across-label" }, about.label));
    const step = (high - low) / about.step > 5 ? about.step * 2 : about.step;
    for (let value = high; value >= low; value -= step) {
      drawing.append(svg("line", { x1: LEFT, x2: wide - RIGHT, y1: y(value), y2: y(value), class: "across-grid" }));
      drawing.append(svg("text", { x: LEFT - 6, y: y(value) + 4, class: "across-tick", "text-anchor": "end" }, value));
    }
    drawing.append(svg("line", { x1: x(0), x2: x(0), y1: y(high), y2: y(low), class: "across-dose" }));
    // this session last, so that it lies on top
    const ordered = [...told.sessions].sort((a, b) => (a.id === told.this) - (b.id === told.this));
    for (const one of ordered) {
      const points = one.course[about.key];
      if (!points.length) continue;
      const own = one.id === told.this ? " across-this" : "";
      const facts = { "data-session": one.id, "data-channel": about.key };
      if (about.dots) {
        drawing.append(svg("path", { ...facts, class: "across-line" + own, d: line(points, x, y, (p) => p[1], false) }));
        for (const [at, value] of points) {
          const where = { cx: x(at).toFixed(1), cy: y(value).toFixed(1), r: 3 };
          drawing.append(svg("circle", { ...facts, ...where, class: "across-line" + own }));
        }
      } else {
        const middles = points.map(([from, ...rest]) => [from + 0.5, ...rest]);
        drawing.append(svg("path", { ...facts, class: "across-band" + own, d: band(middles, x, y) }));
        drawing.append(svg("path", { ...facts, class: "across-line" + own, d: line(middles, x, y, (p) => p[3], true) }));
      }
    }
    return x;
  }

  function draw(told, wide) {
    const all = told.sessions.flatMap((one) => Object.values(one.course).flatMap((points) => points.map(([m]) => m)));
    const minutes = [Math.min(-10, ...all), Math.max(60, ...all.map((each) => each + 1))];
    const tall = PANELS.length * TALL + FOOT;
    const label =
      "Systolic pressure, SpO₂ and pulse of " + told.sessions.length + " sessions by minutes from the dose. The table below has the numbers.";
    const drawing = svg("svg", { class: "across-chart", width: wide, height: tall, role: "img", "aria-label": label });
    let x = null;
    PANELS.forEach((about, n) => (x = panel(drawing, about, told, n * TALL, wide, minutes)));
    const every = (minutes[1] - minutes[0]) / Math.max(1, wide / 90) > 30 ? 60 : 30;
    for (let value = Math.ceil(minutes[0] / every) * every; value <= minutes[1]; value += every) {
      const words = value === 0 ? "dose" : minute(value);
      const anchor = x(value) > wide - 36 ? "end" : "middle";
      drawing.append(svg("text", { x: x(value), y: tall - 5, class: "across-tick", "text-anchor": anchor }, words));
    }
    return drawing;
  }

  /** The session whose row is pointed at or has the focus stands out in the picture. */
  function stress(place, id) {
    for (const line of place.querySelectorAll(".across-line, .across-band")) {
      kv.attr(line, "data-hot", line.dataset.session === id ? "yes" : null);
    }
  }

  // --- the section ---------------------------------------------------------------------------------

  function nothing(told) {
    const mode = told.mode === "real" ? "" : " " + told.mode.toUpperCase() + " sessions stand beside their like only.";
    return kv.el("p", { class: "across-none" }, "No other session of " + (told.subject_ref || "this patient") + " is in the record." + mode);
  }

  function show(place, told) {
    if (told.sessions.length < 2) {
      place.append(nothing(told));
      return;
    }
    const more = told.total > told.sessions.length ? " The newest " + told.sessions.length + " of " + told.total + " are shown." : "";
    const undosed = told.sessions.some((one) => one.dose_us === null) ? " Without a dose minutes count from the beginning." : "";
    const words = "Minutes from the dose; lines are means of a minute, bands its lowest to highest value. Strong: this session; grey: the others of " + told.subject_ref + "." + undosed + more;
    const picture = kv.el("div", { class: "across-picture" });
    const table = review.table("Sessions of " + told.subject_ref, COLUMNS, told.sessions.map((one) => row(one, told)), { cards: true });
    place.append(kv.el("p", { class: "across-words" }, words), picture, table);
    [...table.querySelectorAll("tbody tr")].forEach((line, n) => {
      const { id } = told.sessions[n];
      line.dataset.session = id;
      for (const type of ["pointerenter", "focusin"]) line.addEventListener(type, () => stress(place, id));
      for (const type of ["pointerleave", "focusout"]) line.addEventListener(type, () => stress(place, ""));
    });
    let drawn = 0;
    const observer = new ResizeObserver(() => {
      if (!picture.isConnected) observer.disconnect();
      const wide = Math.floor(picture.clientWidth);
      if (wide < 100 || wide === drawn) return;
      drawn = wide;
      picture.replaceChildren(draw(told, wide));
    });
    observer.observe(picture);
    for (const one of told.sessions.filter((each) => each.unreadable.length)) {
      const said = review.minute(one.started_us, one) + ": " + one.unreadable.join(" ");
      place.append(kv.el("p", { class: "unreadable" }, said));
    }
  }

  function near(place) {
    return new Promise((resolve) => {
      const observer = new IntersectionObserver(
        (seen) => {
          if (!seen.some((each) => each.isIntersecting)) return;
          observer.disconnect();
          resolve();
        },
        { rootMargin: "300px" },
      );
      observer.observe(place);
      setTimeout(() => {
        observer.disconnect();
        resolve();
      }, LATE_MS);
    });
  }

  async function load(place, context) {
    await near(place);
    if (!place.isConnected) return;
    show(place, await review.get(context.path + "/across"));
  }

  review.sections.push({ id: "across", title: "Across sessions", order: 60, load });
})(window.kv);
