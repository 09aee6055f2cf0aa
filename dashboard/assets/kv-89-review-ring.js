/* Review: why did it ring, one line an alarm; and the alarms of the session over time. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const COLUMNS = [
    "Shown", "Alarm", "First value out", "Value and limit", "Delay", "Acknowledged", "Over after", "Marked next", "5 min later", "10 min later",
  ];
  const FIRST = 100; // rows; more are shown when asked for
  const CHOICES = [
    ["All alarms", 0],
    ["High and medium", 2],
    ["High only", 3],
  ];
  const LANES = ["high", "medium", "low"];

  function badge(priority) {
    const { word, mark } = kv.PRIORITIES[priority] || kv.PRIORITIES.info;
    const sign = kv.el("span", { class: "sign", "data-priority": priority }, kv.icon(priority), kv.el("b", {}, mark));
    return kv.el("span", { class: "badge" }, sign, " " + word);
  }

  function alarm(ring, session) {
    const words = (rise) => (rise.text && rise.text !== ring.text ? ": " + rise.text : "");
    const rises = ring.rises.map((rise) => "rose to " + rise.priority + " at " + review.second(rise.at_us, session) + words(rise));
    const more = [...rises];
    if (ring.again) more.push("met again " + ring.again + " ×");
    if (ring.sounded_us === null) more.push("never heard");
    else if (ring.sounded_us > ring.shown_us) more.push("heard from " + review.second(ring.sounded_us, session));
    const first = kv.el("div", {}, badge(ring.priority), " ", ring.text || ring.label);
    return kv.el("div", {}, first, more.length ? kv.el("small", {}, more.join(", ")) : null);
  }

  function crossed(ring, context) {
    if (ring.crossed_us === null) return "";
    return kv.el("span", {}, ring.crossed ? ring.crossed + " at " : "", review.jump(ring.crossed_us, context));
  }

  function delay(ring) {
    const set = ring.hold_s === null ? "" : "set: " + ring.hold_s + " s";
    if (ring.crossed_us === null) return set;
    return [ring.waited || "none", set && "(" + set + ")"].filter(Boolean).join(" ");
  }

  function acknowledged(ring) {
    if (ring.acked_us === null) return "by nobody";
    return (ring.acked_by || "somebody") + " after " + ring.answered;
  }

  function next(ring, context) {
    if (!ring.next) return "nothing in 10 min";
    const words = ring.next.text + " (" + ring.next.by + ", after " + ring.next.after + ") ";
    return kv.el("span", {}, words, review.jump(ring.next.at_us, context));
  }

  function line(ring, context) {
    const later = [0, 1].map((i) => (ring.later[i] ? ring.later[i].text : ""));
    const limit = ring.limit && ring.value + ", limit " + ring.limit + (ring.why ? " (" + ring.why + ")" : "");
    const since = review.sinceDose(ring.shown_us, context.session);
    const at = kv.el("span", {}, review.jump(ring.shown_us, context), since ? " " + since : "");
    const over = ring.over_us === null ? "still on" : ring.lasted;
    return [at, alarm(ring, context.session), crossed(ring, context), limit, delay(ring), acknowledged(ring), over, next(ring, context), ...later];
  }

  review.sections.push({
    id: "ring",
    title: "Why did it ring?",
    order: 40,
    load: (place, context) => {
      const { rings } = context.body;
      if (!rings.length) return place.append(kv.el("p", { class: "empty" }, "There was no alarm."));
      const options = CHOICES.map(([words, rank]) => kv.el("option", { value: rank }, words));
      const select = kv.el("select", { "aria-label": "Which alarms" }, ...options);
      const said = kv.el("span", { class: "counted", role: "status" });
      const holder = kv.el("div", {});

      function fill(most) {
        const chosen = rings.filter((ring) => kv.rank(ring.priority) >= Number(select.value));
        const shown = chosen.slice(0, most);
        kv.text(said, shown.length + " of " + rings.length + " alarms");
        const rows = shown.map((ring) => line(ring, context));
        const table = review.table("Why did it ring?", COLUMNS, rows, { cards: true });
        table.querySelectorAll("tbody tr").forEach((tr, i) => {
          tr.dataset.priority = shown[i].priority;
          tr.dataset.rule = shown[i].rule;
        });
        holder.replaceChildren(table);
        if (shown.length === chosen.length) return;
        const onclick = () => fill(Infinity);
        holder.append(kv.el("button", { type: "button", class: "more", onclick }, "Show all " + chosen.length));
      }
      select.addEventListener("change", () => fill(FIRST));
      place.append(kv.el("div", { class: "review-bar" }, select, said), holder);
      fill(FIRST);
    },
  });

  // --- over time -------------------------------------------------------------------------------

  /** A row of bars for one rule: from being shown to its end, with a tick where somebody saw to it. */
  function lane(rule, rings, fromUs, toUs, context) {
    const part = (us) => ((Math.max(fromUs, Math.min(us, toUs)) - fromUs) / (toUs - fromUs)) * 100;
    const bars = rings.map((ring) => {
      const end = ring.over_us === null ? toUs : ring.over_us;
      const bar = kv.el("span", { class: "ring-lane-bar", "data-priority": ring.priority, title: ring.text });
      bar.style.left = part(ring.shown_us) + "%";
      bar.style.width = Math.max(0, part(end) - part(ring.shown_us)) + "%";
      bar.addEventListener("click", () => context.show(ring.shown_us));
      return bar;
    });
    const seen = rings.filter((ring) => ring.acked_us !== null).map((ring) => {
      const tick = kv.el("span", { class: "ring-lane-seen" }, "✓");
      tick.style.left = part(ring.acked_us) + "%";
      return tick;
    });
    const name = kv.el("span", { class: "ring-lane-name" }, rings[0].label + " (" + rings.length + ")");
    return kv.el("div", { class: "ring-lane", "data-rule": rule }, name, kv.el("div", { class: "ring-lane-time" }, ...bars, ...seen));
  }

  function hours(fromUs, toUs, session) {
    const stepUs = [10, 20, 30, 60, 120, 240].map((minutes) => minutes * 60e6).find((us) => (toUs - fromUs) / us <= 8) || 480 * 60e6;
    const zoneUs = session.utc_offset_s * 1e6;
    const ticks = [];
    for (let us = Math.ceil((fromUs + zoneUs) / stepUs) * stepUs - zoneUs; us < toUs; us += stepUs) {
      const tick = kv.el("span", { class: "ring-lane-tick" }, review.second(us, session).slice(0, 5));
      tick.style.left = ((us - fromUs) / (toUs - fromUs)) * 100 + "%";
      ticks.push(tick);
    }
    return kv.el("div", { class: "ring-lane ring-lane-axis" }, kv.el("span", { class: "ring-lane-name" }), kv.el("div", { class: "ring-lane-time" }, ...ticks));
  }

  review.sections.push({
    id: "alarm-times",
    title: "Alarms over time",
    order: 45,
    load: (place, context) => {
      const { body, session } = context;
      if (!body.rings.length) return place.append(kv.el("p", { class: "empty" }, "There was no alarm."));
      const byRule = new Map();
      for (const ring of body.rings) byRule.set(ring.rule, [...(byRule.get(ring.rule) || []), ring]);
      const worst = (rings) => Math.max(...rings.map((ring) => kv.rank(ring.priority)));
      const ordered = [...byRule].sort((a, b) => worst(b[1]) - worst(a[1]) || a[1][0].shown_us - b[1][0].shown_us);
      const fromUs = session.started_us;
      const toUs = Math.max(session.recorded_to_us, fromUs + 60e6);
      const lanes = ordered.map(([rule, rings]) => lane(rule, rings, fromUs, toUs, context));
      const counts = LANES.map((priority) => body.rings.filter((ring) => ring.priority === priority).length + " " + priority);
      const label = "Alarms over time: " + counts.join(", ") + "; the table above has each of them";
      place.append(kv.el("div", { class: "ring-lanes", role: "img", "aria-label": label }, ...lanes, hours(fromUs, toUs, session)));
      place.append(kv.el("p", { class: "legend" }, "Each bar lasts as long as the condition did; ✓ where it was acknowledged."));
    },
  });
})(window.kv);
