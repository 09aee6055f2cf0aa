/* One vital: label, unit, number, its age or what is wrong with it. Tile and room page share it. */
(function (kv) {
  "use strict";

  const KINDS = {
    spo2: () => ["spo2"],
    pulse: (room, nowUs, live) => [kv.pulseChannel(room, nowUs, live)],
    nibp: () => ["nibp_sys", "nibp_dia"],
    rr: () => ["rr"],
    pi: () => ["pi"],
  };
  const NOW_S = 2; // a stream's value that is younger is of this moment
  const STATES = ["fresh", "stale", "none"]; // the worst of the parts counts

  function write(node, channel, numeric, judged) {
    kv.text(node, judged.text);
    kv.attr(node, "data-channel", channel);
    kv.attr(node, "data-state", judged.state);
    kv.attr(node, "data-at-us", numeric ? numeric.at_us : null);
    kv.attr(node, "data-device", numeric ? numeric.device : null);
    kv.attr(node, "data-manual", numeric && numeric.flags.includes("manual") ? "M" : null);
    kv.attr(node, "data-claimed", numeric && numeric.flags.includes("claimed") ? "C" : null);
  }

  /** The word that a device says about its link or sensor, or "". */
  function trouble(room, channel, numeric) {
    const device = kv.model.deviceOf(room, channel);
    if (device && kv.LINKS[device.state]) return kv.LINKS[device.state];
    if (channel.startsWith("nibp") || !device) return "";
    const flags = numeric ? numeric.flags : [];
    const said = (code) => room.notices.has(device.id + " " + code) || flags.includes(code);
    const code = Object.keys(kv.NOTICES).find(said);
    return code ? kv.NOTICES[code] : "";
  }

  const inflating = new WeakMap(); // room -> since when the cuff has been heard to inflate

  /** "measuring 0:23" while a cuff inflates, "" else. */
  function measuring(room, nowUs, live) {
    const told = [...room.notices.values()].find((notice) => notice.code === "cuff_inflating");
    const cuff = kv.judge(room.numerics.cuff, nowUs, live).state === "fresh";
    if (!live || nowUs === null || !(told || cuff)) {
      inflating.delete(room);
      return "";
    }
    const heard = inflating.get(room) || room.numerics.cuff || told;
    inflating.set(room, { at_us: heard.at_us });
    const sinceUs = Math.min(heard.at_us, told ? told.at_us : heard.at_us);
    return "measuring " + kv.words.clock((nowUs - sinceUs) / kv.US);
  }

  /** The worst alarm that concerns one of the channels, or undefined. */
  function alarmOf(room, channels) {
    const found = kv.model.alarms(room).filter((alarm) => channels.includes(alarm.channel));
    // what is out now comes before what only waits to be seen
    return found.find((alarm) => alarm.condition === "active" && kv.SIDES[alarm.side]) || found[0];
  }

  /** What stands beside a number: {text, kind}; kind: age, now (a stream's, of this moment), busy
      or trouble. Every number has its age. */
  function note(room, kind, channel, numeric, judged, nowUs, live) {
    const problem = trouble(room, channel, numeric);
    const age = judged.ageS === null ? "" : kv.words.age(judged.ageS);
    if (kind === "nibp") {
      const busy = measuring(room, nowUs, live);
      if (busy) return { text: busy + (age ? " · " + age : ""), kind: "busy" };
      if (problem && judged.state === "none") return { text: problem, kind: "trouble" };
      return { text: age || "no reading", kind: "age" };
    }
    if (judged.state === "none")
      return { text: problem || (age && "last " + kv.words.clock(judged.ageS)), kind: problem ? "trouble" : "last" };
    if (numeric.gone_s === null) return { text: age, kind: "age" };
    if (judged.state === "stale") return { text: age + " old", kind: "age" };
    if (problem) return { text: problem, kind: "trouble" };
    return { text: judged.ageS < NOW_S ? "now" : age, kind: "now" };
  }

  /** M for entered by hand, C for claimed, SPOT for a device that speaks only when somebody measures:
      [text, title]. */
  function badge(kind, numeric, judged) {
    if (!numeric || judged.state === "none") return ["", ""];
    const flag = kv.BY_HAND.find((each) => numeric.flags.includes(each));
    if (flag) return kv.BADGES[flag];
    return kind !== "nibp" && numeric.gone_s === null ? ["SPOT", "measured when somebody asked for it"] : ["", ""];
  }

  /** "▼ BELOW 88" while a limit is passed now; a latched alarm is of the past. */
  function limitWords(room, alarm, judged) {
    if (!alarm || alarm.condition !== "active" || judged.state === "none") return "";
    const side = kv.SIDES[alarm.side];
    if (!side || alarm.limit === null) return "";
    const name = alarm.channel.startsWith("nibp") ? kv.CHANNELS[alarm.channel].label + " " : "";
    return side[0] + " " + name + side[1] + " " + alarm.limit;
  }

  /** @returns {node, update(room, nowUs, live)} */
  kv.vital = function (kind) {
    const label = kv.el("span", { class: "vital-label" });
    const unit = kv.el("span", { class: "vital-unit" });
    const mark = kv.el("span", { class: "vital-badge", hidden: true });
    const limit = kv.el("span", { class: "vital-limit" });
    const noteNode = kv.el("span", { class: "vital-note" });
    const numbers = kind === "nibp" ? [kv.el("b"), kv.el("b")] : [kv.el("b")];
    const slash = kind === "nibp" ? kv.el("i", {}, "/") : null;
    const value = kv.el("div", { class: "vital-value" }, numbers[0], slash, numbers[1]);
    const mean = kind === "nibp" ? kv.el("b", {}) : null;
    const meanBox = mean && kv.el("span", { class: "vital-mean" }, "MAP ", mean);
    const head = kv.el("header", {}, label, unit, mark, limit, meanBox, noteNode);
    const source = kv.el("span", { class: "vital-source", hidden: true });
    const node = kv.el("section", { class: "vital vital-" + kind }, head, value, source);

    function update(room, nowUs, live) {
      const channels = KINDS[kind](room, nowUs, live);
      const first = kv.CHANNELS[channels[0]];
      const numerics = channels.map((channel) => kv.numeric(room, channel, nowUs, live));
      const judged = numerics.map((each) => kv.judge(each, nowUs, live));
      channels.forEach((channel, i) => write(numbers[i], channel, numerics[i], judged[i]));
      const worst = judged.reduce((a, b) => (STATES.indexOf(b.state) > STATES.indexOf(a.state) ? b : a));
      const numeric = numerics[0];
      const alarm = alarmOf(room, channels);
      kv.text(label, kind === "nibp" ? "BP" : first.label);
      kv.text(unit, first.unit);
      const [letter, meaning] = badge(kind, numeric, worst);
      kv.text(mark, letter);
      kv.attr(mark, "title", meaning || null);
      kv.show(mark, letter !== "");
      kv.attr(node, "data-badge", letter || null);
      kv.text(limit, limitWords(room, alarm, worst));
      const said = note(room, kind, channels[0], numeric, worst, nowUs, live);
      kv.text(noteNode, said.text);
      kv.attr(noteNode, "data-note", said.kind);
      kv.attr(node, "data-shown", worst.state);
      const from = kv.source(room, worst.state === "none" ? undefined : numeric);
      kv.text(source, from.text);
      kv.attr(source, "title", from.text || null);
      kv.attr(source, "data-instead", from.instead || null);
      kv.show(source, from.text !== "");
      if (mean) {
        const known = room.numerics.nibp_map;
        const judgedMean = kv.judge(known, nowUs, live);
        write(mean, "nibp_map", known, judgedMean);
        kv.show(meanBox, judgedMean.state !== "none");
      }
      kv.attr(node, "data-pulse", kind === "pulse" ? channels[0] : null);
      const out = alarm && alarm.condition === "active" && kv.SIDES[alarm.side];
      kv.attr(node, "data-out", out && worst.state !== "none" ? alarm.priority : null);
    }
    return { node, update };
  };
})(window.kv);
