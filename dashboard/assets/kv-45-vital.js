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
  const STATES = ["fresh", "stale", "none"]; // the worst of the parts counts

  function write(node, channel, numeric, judged) {
    kv.text(node, judged.text);
    kv.attr(node, "data-channel", channel);
    kv.attr(node, "data-state", judged.state);
    kv.attr(node, "data-at-us", numeric ? numeric.at_us : null);
    kv.attr(node, "data-manual", numeric && numeric.flags.includes("manual") ? "M" : null);
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

  function measuring(room, nowUs, live) {
    const cuff = kv.judge(room.numerics.cuff, nowUs, live);
    if (live && cuff.state === "fresh") return "cuff " + cuff.text;
    const inflating = [...room.notices.values()].some((notice) => notice.code === "cuff_inflating");
    return live && inflating ? "measuring" : "";
  }

  /** The worst alarm that concerns one of the channels, or undefined. */
  function alarmOf(room, channels) {
    const found = kv.model.alarms(room).filter((alarm) => channels.includes(alarm.channel));
    // what is out now comes before what only waits to be seen
    return found.find((alarm) => alarm.condition === "active" && kv.SIDES[alarm.side]) || found[0];
  }

  function note(room, kind, channel, numeric, judged, nowUs, live) {
    const problem = trouble(room, channel, numeric);
    if (kind === "nibp") {
      const busy = measuring(room, nowUs, live);
      if (busy) return busy;
      if (problem && judged.state === "none") return problem;
      return judged.ageS === null ? "no reading" : kv.words.age(judged.ageS);
    }
    if (judged.state !== "none" && numeric && numeric.gone_s === null)
      return "SPOT " + kv.words.age(judged.ageS);
    if (judged.state === "none" && problem) return problem;
    if (judged.state === "none") return judged.ageS === null ? "" : "last " + kv.words.clock(judged.ageS);
    if (judged.state === "stale") return kv.words.age(judged.ageS) + " old";
    return problem;
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
    const manual = kv.el("span", { class: "vital-manual", title: "entered by hand" }, "M");
    const limit = kv.el("span", { class: "vital-limit" });
    const noteNode = kv.el("span", { class: "vital-note" });
    const numbers = kind === "nibp" ? [kv.el("b"), kv.el("b")] : [kv.el("b")];
    const slash = kind === "nibp" ? kv.el("i", {}, "/") : null;
    const value = kv.el("div", { class: "vital-value" }, numbers[0], slash, numbers[1]);
    const mean = kind === "nibp" ? kv.el("b", {}) : null;
    const meanBox = mean && kv.el("span", { class: "vital-mean" }, "MAP ", mean);
    const head = kv.el("header", {}, label, unit, manual, limit, meanBox, noteNode);
    const node = kv.el("section", { class: "vital vital-" + kind }, head, value);

    function update(room, nowUs, live) {
      const channels = KINDS[kind](room, nowUs, live);
      const first = kv.CHANNELS[channels[0]];
      const judged = channels.map((channel) => kv.judge(room.numerics[channel], nowUs, live));
      channels.forEach((channel, i) => write(numbers[i], channel, room.numerics[channel], judged[i]));
      const worst = judged.reduce((a, b) => (STATES.indexOf(b.state) > STATES.indexOf(a.state) ? b : a));
      const numeric = room.numerics[channels[0]];
      const alarm = alarmOf(room, channels);
      kv.text(label, kind === "nibp" ? "BP" : first.label);
      kv.text(unit, first.unit);
      kv.show(manual, Boolean(numeric && numeric.flags.includes("manual")));
      kv.text(limit, limitWords(room, alarm, worst));
      kv.text(noteNode, note(room, kind, channels[0], numeric, worst, nowUs, live));
      kv.attr(node, "data-shown", worst.state);
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
