/* The page of one session: what alarms would have been under one moved rule. Nothing is changed. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const MOST = 100;
  const FEW = 20;

  review.sections.push({
    id: "tuner",
    title: "What would it have been?",
    order: 50,
    load: (place, context) => {
      const body = kv.el("div", { class: "tuner" });
      const details = kv.el("details", {}, kv.el("summary", {}, "Try another limit or delay"), body);
      let asked = false;
      details.addEventListener("toggle", () => {
        if (!details.open || asked) return;
        asked = true;
        const status = kv.el("p", { class: "empty", role: "status" }, "Loading …");
        body.append(status);
        review.get(context.path + "/rules").then(
          (told) => {
            status.remove();
            build(body, context, told);
          },
          (error) => {
            asked = false;
            kv.text(status, "This cannot be shown: " + error.message);
          },
        );
      });
      place.append(details);
    },
  });

  // --- the form -----------------------------------------------------------------------------

  function build(body, context, told) {
    if (told.why_not) {
      body.append(kv.el("p", { class: "empty" }, kv.jobs.sentence(told.why_not)));
      return;
    }
    const caveat = kv.el("p", { class: "tuner-caveat" }, told.caveat);
    const select = kv.el("select", { name: "rule" }, ...groups(told.rules));
    const levels = kv.el("div", { class: "tuner-levels" });
    const scope = scopeOf(context.session);
    const bar = kv.jobs.bar("Comparison");
    const wrong = kv.el("p", { class: "tuner-wrong", role: "alert" });
    const result = kv.el("div", { class: "tuner-result" });
    const old = "The numbers below are of what was compared before.";
    const stale = kv.el("p", { class: "tuner-was", hidden: true }, old);
    const compare = kv.el("button", { type: "submit", class: "primary" }, "Compare");
    const reset = kv.el("button", { type: "button", onclick: () => shown() }, "As it was");
    const form = kv.el(
      "form",
      { class: "tuner-form" },
      kv.el("label", { class: "field" }, "Rule", select),
      levels,
      scope.node,
      kv.el("div", { class: "buttons" }, compare, reset),
    );
    let moves = () => [];

    function shown() {
      const rule = told.rules.find((each) => each.id === select.value);
      const made = rule.levels.map((level, n) => levelOf(rule, level, n));
      levels.replaceChildren(...made.map((each) => each.node).filter(Boolean));
      moves = () => made.map((each) => each.moved());
    }

    async function run() {
      kv.text(wrong, "");
      const wanted = moves();
      if (!wanted.some((each) => Object.keys(each).length)) {
        kv.text(wrong, "Nothing is moved yet: change a limit or a delay first.");
        return;
      }
      const sent = { session: context.id, rule: select.value, moves: wanted, last: scope.last() };
      try {
        const job = await bar.run("what-if", sent);
        if (!job || !result.isConnected) return;
        result.replaceChildren(...show(job.facts, context));
        kv.show(stale, false);
        context.announce("Compared: " + headline(job.facts));
      } catch (error) {
        kv.text(wrong, error.message);
      }
    }

    select.addEventListener("change", shown);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run();
    });
    for (const moved of ["input", "change", "click"])
      form.addEventListener(moved, (event) => event.target !== compare && kv.show(stale, result.hasChildNodes()));
    body.append(caveat, form, bar.node, wrong, stale, result);
    shown();
  }

  function groups(rules) {
    const option = (rule) => {
      const had = rule.alarms ? " · " + count(rule.alarms, "alarm") : "";
      return kv.el("option", { value: rule.id }, rule.title + had);
    };
    const heard = rules.filter((rule) => rule.alarms);
    const quiet = rules.filter((rule) => !rule.alarms);
    const group = (label, some) => some.length && kv.el("optgroup", { label }, ...some.map(option));
    return [group("Had alarms in this session", heard), group("Had none", quiet)].filter(Boolean);
  }

  function levelOf(rule, level, n) {
    if (!level.knobs.length) return { node: null, moved: () => ({}) };
    const knobs = level.knobs.map((knob) => knobOf(knob, rule.id + "-" + n + "-" + knob.key));
    const [limit, delay, , counts] = level.words;
    const words = [limit, delay, counts === "always" ? "" : counts].filter(Boolean).join(" · ");
    const legend = kv.el("legend", {}, kv.PRIORITIES[level.priority].word + " – was " + words);
    const node = kv.el("fieldset", { class: "tuner-level" }, legend, ...knobs.map((knob) => knob.node));
    const moved = () => Object.assign({}, ...knobs.map((knob) => knob.moved()));
    return { node, moved };
  }

  /* A slider and a number of the same value; the number is what is sent. */
  function knobOf(knob, id) {
    const range = { min: knob.least, max: knob.most, step: knob.step, value: knob.value };
    const name = knob.label + (knob.unit ? " in " + knob.unit : "");
    const number = kv.el("input", { ...range, id, type: "number", required: true, inputmode: "decimal" });
    const slider = kv.el("input", { ...range, type: "range", "aria-label": name + ", slider" });
    const was = kv.el("span", { class: "tuner-was" });
    const mark = () => kv.text(was, Number(number.value) === knob.value ? "" : "was " + knob.value);
    slider.addEventListener("input", () => {
      number.value = slider.value;
      mark();
    });
    number.addEventListener("input", () => {
      slider.value = number.value;
      mark();
    });
    const node = kv.el(
      "div",
      { class: "tuner-knob", "data-knob": knob.key },
      kv.el("label", { for: id }, name),
      slider,
      number,
      was,
    );
    const moved = () => (Number(number.value) === knob.value ? {} : { [knob.key]: Number(number.value) });
    return { node, moved };
  }

  function scopeOf(session) {
    const kind = session.mode === "real" ? "" : " " + session.mode.toUpperCase();
    const choice = (value, checked, ...words) => {
      const input = kv.el("input", { type: "radio", name: "scope", value, checked });
      return { input, node: kv.el("label", { class: "field check" }, input, ...words) };
    };
    const one = choice("one", true, "this session");
    const many = choice("many", false, "the last");
    const about = { type: "number", min: 1, max: MOST, step: 1, value: FEW, "aria-label": "How many sessions" };
    const number = kv.el("input", { ...about, onfocus: () => (many.input.checked = true) });
    const last = kv.el("div", { class: "tuner-last" }, many.node, number, " closed" + kind + " sessions");
    const legend = kv.el("legend", {}, "Over");
    const node = kv.el("fieldset", { class: "tuner-scope" }, legend, one.node, last);
    kv.show(node, session.site === undefined); // the centre tries one session at a time
    return { node, last: () => (many.input.checked ? Math.trunc(Number(number.value)) : 0) };
  }

  // --- what came of it ----------------------------------------------------------------------

  const count = (number, word) => number + " " + word + (number === 1 ? "" : "s");
  const seconds = (number) => kv.words.clock(Math.round(number));
  const arrow = (were, wouldBe) => (were === wouldBe ? String(were) : were + " → " + wouldBe);

  function headline(facts) {
    const { were, would_be: wouldBe } = facts.rules.find((each) => each.rule === facts.rule) || facts.all;
    const over = facts.sessions.length ? " in " + count(facts.compared, "session") : "";
    const heard = (tally) => tally.shown + ", heard for " + seconds(tally.sounding_s) + " min";
    const missed = "Marked events missed: " + facts.events.missed.length + ".";
    return "alarms" + over + ": " + heard(were) + "; would have been " + heard(wouldBe) + ". " + missed;
  }

  /* What was tried, level by level, as the form may have been changed since. */
  function tried(facts) {
    const level = ([priority, limit, delay]) => kv.PRIORITIES[priority].word + " " + [limit, delay].filter(Boolean).join(", ");
    return "Tried: " + facts.words.map(level).join(" · ");
  }

  function show(facts, context) {
    const { session } = context;
    const parts = [
      kv.el("p", { class: "tuner-headline" }, kv.el("strong", {}, facts.title), " – " + headline(facts)),
      kv.el("p", { class: "tuner-caveat" }, tried(facts)),
      table(facts),
    ];
    if (facts.lanes) parts.push(lanes(facts.lanes, session), each(facts.lanes, context));
    if (facts.sessions.length) parts.push(sessions(facts.sessions));
    parts.push(events(facts), kv.el("p", { class: "tuner-caveat" }, facts.caveat + " " + facts.notes.join(" ")));
    if (facts.skipped.length) parts.push(skipped(facts.skipped));
    parts.push(copy(facts));
    return parts;
  }

  function table(facts) {
    const line = (title, { were, would_be: wouldBe }) => [
      title,
      arrow(were.shown, wouldBe.shown),
      arrow(seconds(were.active_s), seconds(wouldBe.active_s)),
      arrow(were.sounding, wouldBe.sounding),
      arrow(seconds(were.sounding_s), seconds(wouldBe.sounding_s)),
      arrow(were.unanswered, wouldBe.unanswered),
    ];
    const head = ["Rule", "Alarms", "On, min:s", "Heard", "Heard, min:s", "Heard to the end"];
    const rows = [...facts.rules.map((rule) => line(rule.title, rule)), line("All rules", facts.all)];
    return review.table("Alarms, were → would have been", head, rows);
  }

  /* Two time lines for each rule that differs: bars where an alarm was on, solid where it sounded. */
  function lanes(told, session) {
    const span = told.to_us - told.from_us;
    const left = (us) => Math.max(0, Math.min(100, (100 * (us - told.from_us)) / span));
    const bar = (alarm) => {
      const from = left(alarm.met_us);
      const style = "left:" + from.toFixed(3) + "%;width:" + (left(alarm.over_us) - from).toFixed(3) + "%";
      return kv.el("span", { class: "lane-bar", style, "data-sounded": alarm.sounded, title: inWords(alarm, session) });
    };
    const row = (name, alarms, kind) => {
      const words = name + ": " + count(alarms.length, "alarm");
      const track = kv.el("div", { class: "lane-track", role: "img", "aria-label": words }, ...alarms.map(bar));
      return kv.el("div", { class: "lane", "data-lane": kind }, kv.el("span", { class: "lane-name" }, name), track);
    };
    const rules = told.rules.map((rule) =>
      kv.el(
        "div",
        { class: "lane-rule" },
        kv.el("h3", {}, rule.title),
        row("Were", rule.were, "were"),
        row("Would have been", rule.would_be, "would-be"),
      ),
    );
    const marks = told.events.map((event) => {
      const style = "left:" + left(event.at_us).toFixed(3) + "%";
      const about = { class: "lane-mark", style, "data-missed": event.missed, title: event.text };
      return kv.el("span", about, event.missed ? "✗" : "▾");
    });
    const named = { class: "lane-track", role: "img", "aria-label": count(marks.length, "marked event") };
    const track = kv.el("div", named, ...marks);
    const marked = kv.el("div", { class: "lane" }, kv.el("span", { class: "lane-name" }, "Marked"), track);
    const at = (us) => "left:" + left(us).toFixed(3) + "%;translate:-" + left(us).toFixed(0) + "%";
    const ticks = minutes(told).map(([us, text]) => kv.el("span", { class: "lane-tick", style: at(us) }, text));
    const axis = kv.el(
      "div",
      { class: "lane lane-axis", "aria-hidden": "true" },
      kv.el("span", { class: "lane-name" }, told.dose_us === null ? "Minutes" : "Minutes from dose"),
      kv.el("div", { class: "lane-track" }, ...ticks),
    );
    return kv.el("div", { class: "lanes" }, ...rules, marks.length ? marked : null, axis);
  }

  function minutes(told) {
    const zero = told.dose_us === null ? told.from_us : told.dose_us;
    const total = (told.to_us - told.from_us) / 60e6;
    const step = [5, 10, 20, 30, 60, 120, 240, 480].find((each) => total / each <= 9) || 1440;
    const found = [];
    let minute = Math.ceil((told.from_us - zero) / 60e6 / step) * step;
    for (; zero + minute * 60e6 <= told.to_us; minute += step) found.push([zero + minute * 60e6, String(minute)]);
    return found;
  }

  function inWords(alarm, session) {
    const lasted = seconds(alarm.active_us / kv.US);
    const heard = alarm.sounded ? ", heard for " + seconds(alarm.sounding_us / kv.US) : ", not heard";
    return review.second(alarm.met_us, session) + ", lasted " + lasted + heard;
  }

  function each(told, context) {
    const line = (rule, kind) => (alarm) => [
      rule.title,
      kind,
      review.jump(alarm.met_us, context),
      seconds(alarm.active_us / kv.US),
      alarm.sounded ? seconds(alarm.sounding_us / kv.US) : "–",
    ];
    const rows = told.rules.flatMap((rule) => [
      ...rule.were.map(line(rule, "was")),
      ...rule.would_be.map(line(rule, "would have been")),
    ]);
    const head = ["Rule", "", "Began", "Lasted", "Heard"];
    return kv.el("details", {}, kv.el("summary", {}, "Each alarm"), review.table("Each alarm", head, rows));
  }

  function sessions(lines) {
    const rows = lines.map((line) => [
      kv.el("a", { href: "/review/" + encodeURIComponent(line.id) }, line.subject_ref),
      kv.words.moment(line.started_us, 0).slice(0, 10),
      arrow(line.were, line.would_be),
      arrow(seconds(line.were_s), seconds(line.would_be_s)),
      String(line.missed),
    ]);
    const head = ["Session", "Date", "Alarms", "Heard, min:s", "Events missed"];
    return kv.el("details", {}, kv.el("summary", {}, "Each session"), review.table("Each session", head, rows));
  }

  function events(facts) {
    const { events: told } = facts;
    const words = [
      count(told.marked, "marked event") + "; " + told.warned,
      "had an alarm of the patient, active or begun within 5 min before.",
      "Would be missed: " + told.missed.length + ".",
      told.new ? told.new + " more would have had one." : "",
    ];
    const parts = [kv.el("p", {}, words.join(" "))];
    if (told.missed.length) {
      const rows = told.missed.map((event) => [event.time, event.kind, event.text]);
      parts.push(review.table("Marked events that would be missed", ["From dose", "Kind", "Text"], rows));
    }
    return kv.el("div", { class: "tuner-events" }, ...parts);
  }

  function skipped(some) {
    const reasons = new Map();
    for (const one of some) {
      const why = one.why.replaceAll(one.id, "…");
      reasons.set(why, (reasons.get(why) || 0) + 1);
    }
    const lines = [...reasons].map(([why, number]) => kv.el("li", {}, number + " × " + why));
    return kv.el("div", {}, kv.el("p", {}, count(some.length, "session") + " could not be compared:"), kv.el("ul", {}, ...lines));
  }

  function copy(facts) {
    const text = kv.el("pre", { tabindex: 0, role: "region", "aria-label": "Lines of a profile" }, facts.toml);
    const said = kv.el("span", { role: "status" });
    const act = async () => {
      try {
        await navigator.clipboard.writeText(facts.toml);
        kv.text(said, "Copied.");
      } catch {
        getSelection().selectAllChildren(text); // no clipboard without TLS
        kv.text(said, "Selected: press Ctrl+C.");
      }
    };
    const words = "Nothing has been changed. These lines in a clinic's alarm profile would make this rule so:";
    const button = kv.el("button", { type: "button", onclick: act }, "Copy");
    return kv.el(
      "details",
      { class: "tuner-toml" },
      kv.el("summary", {}, "For a profile"),
      kv.el("p", {}, words),
      text,
      kv.el("div", { class: "buttons" }, button, said),
    );
  }
})(window.kv);
