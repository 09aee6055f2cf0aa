/* Review: a window of a waveform under the trend. It is chosen by a click on the trend, with the
   slider, or by its time; the server sends the least and the greatest sample of each pixel. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const MINUTE_US = 60e6;
  const WIDTHS = [
    ["10 s", 10],
    ["30 s", 30],
    ["1 min", 60],
    ["5 min", 300],
  ];
  const SHEET_PX = 700; // its width on paper
  const PAD = 6; // px above and below the line
  const AXIS = 20; // px for the times below it
  const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300];

  function steps(seconds, width) {
    return STEPS_S.find((step) => (seconds / step) * 62 <= width) || STEPS_S[STEPS_S.length - 1];
  }

  function lines(g, track, box, scale, colours) {
    for (const run of track.runs) {
      g.strokeStyle = run.quality === "good" ? colours.line : colours.doubted;
      g.beginPath();
      run.at_us.forEach((us, i) => {
        const x = box.left + (us / scale.spanUs) * box.width;
        const y = box.top + box.height * (1 - (run.y[i] - scale.low) / (scale.high - scale.low));
        if (i) g.lineTo(x, y);
        else g.moveTo(x, y);
      });
      g.stroke();
    }
  }

  /** Times below, in the clinic's time: only those that have room. */
  function axis(g, window_, session, size, colours) {
    const { ratio, width, height } = size;
    const seconds = (window_.to_us - window_.from_us) / 1e6;
    const step = steps(seconds, width / ratio);
    g.fillStyle = colours.soft;
    g.strokeStyle = colours.grid;
    g.font = 12 * ratio + "px sans-serif";
    g.textAlign = "center";
    const first = Math.ceil(window_.from_us / 1e6 / step) * step;
    for (let at = first; at <= window_.to_us / 1e6; at += step) {
      const x = ((at - window_.from_us / 1e6) / seconds) * width;
      g.beginPath();
      g.moveTo(x, 0);
      g.lineTo(x, height - AXIS * ratio);
      g.stroke();
      if (x > 30 * ratio && x < width - 30 * ratio) {
        g.fillText(review.second(at * 1e6, session), x, height - 5 * ratio);
      }
    }
  }

  function paint(canvas, answer, session, onPaper) {
    const surface = kv.surface(canvas);
    if (!surface) return;
    const { g, width, height, ratio } = surface;
    const colours = onPaper
      ? { line: "#0a66a8", doubted: "#777777", grid: "#d5dbe1", soft: "#333333" }
      : { line: kv.colour("spo2"), doubted: kv.colour("grey"), grid: kv.colour("line"), soft: kv.colour("soft") };
    g.clearRect(0, 0, width, height);
    g.lineWidth = 1;
    axis(g, answer, session, surface, colours);
    g.lineWidth = 1.6 * ratio;
    g.lineJoin = "round";
    const spanUs = answer.to_us - answer.from_us;
    const scale = { spanUs, low: answer.low, high: Math.max(answer.high, answer.low + 1) };
    const lane = (height - AXIS * ratio) / Math.max(1, answer.tracks.length);
    answer.tracks.forEach((track, i) => {
      const box = { left: 0, width, top: i * lane + PAD * ratio, height: lane - 2 * PAD * ratio };
      lines(g, track, box, scale, colours);
    });
  }

  /** What the picture shows, for those who cannot see it and beside it for all. */
  function words(answer, label, session) {
    const between = review.second(answer.from_us, session) + " to " + review.second(answer.to_us, session);
    if (!answer.tracks.length) return label + " " + between + ": nothing was recorded";
    const runs = answer.tracks.flatMap((track) => track.runs);
    const said = [label + " " + between, answer.tracks.map((track) => track.device).join(" above ")];
    if (runs.length > answer.tracks.length) said.push("with gaps");
    if (runs.some((run) => run.quality !== "good")) said.push("grey: questionable");
    return said.join(" · ");
  }

  /** The canvas and its words; asks for the newest window only. */
  function picture(context) {
    const canvas = kv.el("canvas", { class: "review-pleth", role: "img" });
    const said = kv.el("p", { class: "legend", "aria-live": "polite" });
    let wanted = null;
    let asking = false;
    let answer = null;
    let label = "";

    const draw = () => answer && paint(canvas, answer, context.session, false);
    const toPaper = () => {
      canvas.style.width = SHEET_PX + "px";
      if (answer) paint(canvas, answer, context.session, true);
    };
    const toScreen = () => {
      canvas.style.width = "";
      draw();
    };

    async function next() {
      if (asking) return;
      asking = true;
      while (wanted) {
        const { channel, fromUs, toUs } = wanted;
        wanted = null;
        const px = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
        const query = new URLSearchParams({ channel, from_us: Math.round(fromUs), to_us: Math.round(toUs), px: Math.min(px, 8000) });
        try {
          answer = await review.get(context.path + "/wave?" + query);
          draw();
          canvas.dataset.from = answer.from_us;
          kv.text(said, [...answer.unreadable, words(answer, label, context.session)].join(" "));
          canvas.setAttribute("aria-label", said.textContent);
        } catch (error) {
          kv.text(said, label + " cannot be shown: " + error.message);
        }
      }
      asking = false;
    }
    window.addEventListener("beforeprint", toPaper);
    window.addEventListener("afterprint", toScreen);
    const sized = new ResizeObserver(() => {
      if (canvas.isConnected) return canvas.style.width || draw();
      sized.disconnect();
      window.removeEventListener("beforeprint", toPaper);
      window.removeEventListener("afterprint", toScreen);
    });
    sized.observe(canvas);
    return {
      nodes: [canvas, said],
      ask(channel, name, fromUs, toUs) {
        label = name;
        wanted = { channel, fromUs, toUs };
        next();
      },
    };
  }

  /** The moment that was written: a time of day, or minutes from the dose; null for neither. */
  function momentOf(text, session, firstUs) {
    const minutes = /^([+\-−])(\d{1,4})$/.exec(text);
    if (minutes && session.dose_us !== null) {
      return session.dose_us + (minutes[1] === "+" ? 1 : -1) * Number(minutes[2]) * MINUTE_US;
    }
    const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);
    if (!clock) return null;
    const [hours, mins, seconds] = clock.slice(1).map((part) => Number(part || 0));
    if (hours > 23 || mins > 59 || seconds > 59) return null;
    const zoneUs = session.utc_offset_s * 1e6;
    const dayUs = 86400e6;
    const midnightUs = Math.floor((firstUs + zoneUs) / dayUs) * dayUs - zoneUs;
    const us = midnightUs + (hours * 3600 + mins * 60 + seconds) * 1e6;
    return us < firstUs - MINUTE_US ? us + dayUs : us; // after midnight
  }

  function chooser(words, choices, value, change) {
    const options = choices.map(([text, each]) => kv.el("option", { value: each, selected: each === value }, text));
    const select = kv.el("select", { "aria-label": words }, ...options);
    select.addEventListener("change", () => change(select.value));
    return select;
  }

  /** Where the window stands at first: the worst alarm, else the dose, else the start. */
  function firstLook(context, firstUs) {
    const ranked = [...context.body.rings].sort((a, b) => kv.rank(b.priority) - kv.rank(a.priority));
    if (ranked.length) return ranked[0].shown_us;
    return context.session.dose_us === null ? firstUs : context.session.dose_us;
  }

  /* The chosen window of the session; `place` gets its controls. */
  review.window = function (place, context, { firstUs, lastUs, margin, moved }) {
    const { session } = context;
    const waves = context.body.waves;
    const names = new Map(waves.map((wave) => [wave.channel, wave.label]));
    let channel = waves.length ? waves[0].channel : "";
    let widthUs = MINUTE_US;
    let fromUs = firstUs;

    const slider = kv.el("input", { type: "range", min: 0, step: 1, "aria-label": "Chosen moment" });
    slider.max = Math.max(1, Math.floor((lastUs - firstUs) / 1e6));
    const title = "A time (14:05:30), or minutes from the dose (+40)";
    const time = kv.el("input", { class: "review-time", maxlength: 8, "aria-label": "Chosen moment: " + title, title });
    const shown = picture(context);
    const track = kv.el("div", { class: "review-slider" }, slider);

    function step(sign) {
      const words = (sign < 0 ? "Earlier" : "Later") + " by one window";
      const onclick = () => go(fromUs + sign * widthUs);
      return kv.el("button", { type: "button", "aria-label": words, onclick }, sign < 0 ? "◀" : "▶");
    }

    function go(us) {
      fromUs = Math.round(Math.max(firstUs, Math.min(us, lastUs - widthUs)));
      if (lastUs - firstUs < widthUs) fromUs = firstUs;
      const at = Math.round((fromUs + widthUs / 2 - firstUs) / 1e6);
      slider.value = at;
      const clock = review.second(firstUs + at * 1e6, session);
      slider.setAttribute("aria-valuetext", clock + " " + review.sinceDose(firstUs + at * 1e6, session));
      if (document.activeElement !== time) time.value = clock;
      moved(fromUs, fromUs + widthUs);
      if (channel) shown.ask(channel, names.get(channel), fromUs, fromUs + widthUs);
    }
    const around = (us) => go(us - widthUs / 2);

    slider.addEventListener("input", () => around(firstUs + Number(slider.value) * 1e6));
    time.addEventListener("change", () => {
      const us = momentOf(time.value.trim(), session, firstUs);
      time.setAttribute("aria-invalid", String(us === null));
      if (us === null) context.announce("Write a time as 14:05:30, or minutes from the dose as +40");
      else around(us);
    });
    const width = chooser("Width of the window", WIDTHS, 60, (seconds) => {
      const middle = fromUs + widthUs / 2;
      widthUs = Number(seconds) * 1e6;
      around(middle);
    });
    const controls = [time, step(-1), step(1)];
    if (waves.length) controls.push(width);
    if (names.size > 1) {
      const choices = [...names].map(([key, label]) => [label, key]);
      controls.push(chooser("Waveform", choices, channel, (key) => ((channel = key), go(fromUs))));
    }
    place.querySelector(".review-trend").after(track);
    place.querySelector(".review-bar").append(...controls);
    if (waves.length) place.append(...shown.nodes);
    else place.append(kv.el("p", { class: "legend" }, "No waveform was recorded in this session."));

    const window_ = {
      from: () => fromUs,
      to: () => fromUs + widthUs,
      around,
      align() {
        const { l, r } = margin();
        track.style.marginLeft = l + "px";
        track.style.marginRight = r + "px";
      },
    };
    window_.align();
    around(firstLook(context, firstUs));
    return window_;
  };
})(window.kv);
