/* The bar on top of every page: time, link, sound, who is here; and the banners below it. */
(function (kv) {
  "use strict";

  const LINKS = { live: "LIVE", stale: "STATION LOST", lost: "SERVER LOST" };


  /** Counts of alarms by priority over all rooms, and the worst in words. */
  function summary() {
    const counts = { high: 0, medium: 0, low: 0 };
    let worst = null;
    for (const room of kv.model.rooms.values())
      for (const alarm of kv.model.alarms(room)) {
        if (alarm.priority in counts) counts[alarm.priority] += 1;
        const weight = 2 * kv.rank(alarm.priority) + (alarm.acked_by ? 0 : 1);
        if (!worst || weight > worst.weight) worst = { weight, room, alarm };
      }
    return { counts, worst };
  }

  kv.bar = function (bar, banners) {
    const link = kv.el("span", { class: "chip chip-link", role: "status" });
    const sound = kv.el("button", { type: "button", class: "chip chip-sound" });
    const clock = kv.el("time", { class: "bar-clock" });
    const mode = kv.el("span", { class: "chip chip-mode", hidden: true });
    const who = kv.el("input", {
      class: "bar-who",
      id: "kv-who",
      value: kv.who.name,
      maxlength: 40,
      autocomplete: "off",
      "aria-label": "Your name",
    });
    const counts = ["high", "medium", "low"].map((priority) =>
      kv.el("span", { class: "count", "data-priority": priority }, kv.icon(priority), kv.el("b")),
    );
    const worst = kv.el("a", { class: "bar-worst" });
    bar.append(
      kv.el("div", { class: "bar-alarms", role: "status" }, ...counts, worst),
      mode,
      kv.el("label", { class: "bar-name", for: "kv-who" }, kv.el("span", {}, "Name"), who),
      sound,
      link,
      clock,
    );
    const lost = kv.el("div", { class: "banner banner-lost", role: "alert", hidden: true }, kv.el("span"));
    const silence = kv.el("button", { type: "button" }, "Silence");
    const recording = kv.el("div", { class: "banner banner-recording", role: "alert", hidden: true });
    const blocked = kv.el("button", { type: "button", class: "banner banner-sound", hidden: true },
      "Sound is blocked by the browser: click here so that alarms can be heard");
    lost.append(silence);
    banners.append(lost, recording, blocked);

    who.addEventListener("change", () => {
      kv.who.name = who.value;
      who.value = kv.who.name;
    });
    for (const button of [sound, blocked]) button.addEventListener("click", () => kv.sound.arm());
    silence.addEventListener("click", () => kv.sound.silenceLoss());
    worst.addEventListener("click", kv.follow);

    function lossWords() {
      if (kv.link.state === "live") return "";
      const seconds = kv.link.silentS();
      const age = seconds >= 4 ? " No data for " + kv.words.age(seconds) + "." : "";
      const cause = kv.link.slept
        ? "This computer was asleep."
        : kv.link.state === "stale"
          ? "The station does not answer."
          : kv.model.hello
            ? "No connection to the server."
            : "Connecting to the server …";
      return cause + age + (seconds >= 4 ? " Watch the monitors themselves." : "");
    }

    function showAlarms() {
      const { counts: numbers, worst: first } = summary();
      counts.forEach((node) => {
        kv.text(node.querySelector("b"), String(numbers[node.dataset.priority]));
        kv.show(node, numbers[node.dataset.priority] > 0);
      });
      const total = numbers.high + numbers.medium + numbers.low;
      kv.attr(worst, "href", first ? "/room/" + encodeURIComponent(first.room.id) : null);
      const calm = kv.link.live() ? "No alarms" : "";
      kv.text(worst, first ? first.room.label + ": " + (first.alarm.text || first.alarm.rule) : calm);
      kv.attr(worst, "data-priority", first ? first.alarm.priority : null);
      const mark = numbers.high ? "!!! " : numbers.medium ? "!! " : "";
      const many = total ? mark + total + (total === 1 ? " alarm · " : " alarms · ") : "";
      kv.title(many + (kv.link.live() ? "" : "NO DATA · "));
    }

    function update() {
      const nowUs = kv.clock.nowUs();
      kv.text(clock, nowUs === null || !kv.link.live() ? "--:--:--" : kv.words.time(nowUs, true));
      kv.text(link, LINKS[kv.link.state]);
      kv.text(lost.firstChild, lossWords());
      kv.show(lost, kv.link.state !== "live");
      kv.attr(lost, "data-alarming", kv.pageAlarm() ? "yes" : null);
      kv.show(silence, kv.pageAlarm());
      const beat = kv.model.beat;
      const unrecorded = Boolean(beat && !beat.recording);
      kv.attr(document.body, "data-recording", unrecorded ? "no" : null);
      const warning = beat ? beat.detail : "";
      kv.show(recording, unrecorded || Boolean(warning));
      kv.text(recording, (unrecorded ? "NOT RECORDING" + (warning ? ": " : "") : "") + warning);
      kv.text(sound, kv.sound.armed() ? "SOUND ON" : "SOUND OFF");
      kv.attr(sound, "data-on", kv.sound.armed() ? "yes" : "no");
      kv.show(blocked, !kv.sound.armed() && document.body.dataset.page !== "quiet");
      const word = kv.model.hello && kv.model.hello.mode !== "real" ? kv.model.hello.mode.toUpperCase() : "";
      kv.text(mode, word);
      kv.show(mode, word !== "");
      kv.attr(document.body, "data-mode", word ? kv.model.hello.mode : null);
      showAlarms();
    }
    kv.on("sound", update);
    return { update };
  };
})(window.kv);
