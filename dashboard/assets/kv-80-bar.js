/* The bar on top of every page: time, link, sound, who is here; and the banners below it. */
(function (kv) {
  "use strict";

  const LINKS = { live: "LIVE", stale: "STATION LOST", lost: "SERVER LOST" };
  const CENTRAL_LINKS = { ...LINKS, stale: "DATABASE LOST" };
  const SOUND = {
    on: "SOUND ON",
    paused: "AUDIO PAUSED",
    unarmed: "SOUND NOT ARMED",
    blocked: "SOUND BLOCKED",
    off: "SILENT PAGE",
  };

  /** Counts of alarms by priority over all rooms, and the worst. What is only held is no alarm. */
  function summary() {
    const counts = { high: 0, medium: 0, low: 0 };
    const calling = kv.model.allAlarms().filter(({ alarm }) => !alarm.silent);
    for (const { alarm } of calling) if (alarm.priority in counts) counts[alarm.priority] += 1;
    return { counts, worst: calling[0] || null };
  }

  /** On how many pages of the whole station an alarm would be heard. */
  function audience(beat) {
    if (!beat) return "";
    const pages = beat.armed + (beat.armed === 1 ? " PAGE" : " PAGES");
    return beat.armed ? "SOUND ARMED ON " + pages : "NO PAGE ARMED";
  }

  kv.bar = function (bar, banners) {
    const link = kv.el("span", { class: "chip chip-link", role: "status" });
    const sound = kv.el("button", { type: "button", class: "chip chip-sound" });
    const armed = kv.el("span", { class: "chip chip-armed", role: "status" });
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
    const name = kv.el("label", { class: "bar-name", for: "kv-who" }, kv.el("span", {}, "Name"), who);
    const person = kv.personChips();
    const people = kv.personBanners();
    const counts = ["high", "medium", "low"].map((priority) =>
      kv.el("span", { class: "count", "data-priority": priority }, kv.icon(priority), kv.el("b")),
    );
    const worst = kv.el("a", { class: "bar-worst" });
    const emergency = kv.emergencyButton();
    bar.append(
      kv.el("div", { class: "bar-alarms", role: "status" }, ...counts, worst),
      emergency.node,
      mode,
      name,
      ...person.nodes,
      sound,
      armed,
      link,
      clock,
    );
    const lost = kv.el("div", { class: "banner banner-lost", role: "alert", hidden: true }, kv.el("span"));
    const silence = kv.el("button", { type: "button" }, "Silence");
    const recording = kv.el("div", { class: "banner banner-recording", role: "alert", hidden: true });
    const arming = kv.armingBanner(sound);
    const hidden = kv.hiddenBanner();
    lost.append(silence);
    banners.append(...people.nodes, lost, recording, arming.node, hidden.node);

    who.addEventListener("change", () => {
      kv.who.name = who.value;
      who.value = kv.who.name;
    });
    silence.addEventListener("click", () => kv.sound.silenceLoss());
    worst.addEventListener("click", kv.follow);

    function lossWords() {
      if (kv.link.state === "live") return "";
      const seconds = kv.link.silentS();
      const age = seconds >= 4 ? " No data for " + kv.words.age(seconds) + "." : "";
      const cause = kv.who.signedOut
        ? "This page was signed out."
        : kv.link.slept
        ? "This computer was asleep."
        : kv.link.state === "stale"
          ? (kv.central.here ? "The central database does not answer." : "The station does not answer.")
          : kv.model.hello
            ? "No connection to the server."
            : "Connecting to the server …";
      const meanwhile = kv.central.here ? " Each " + kv.central.LOCALLY + "." : " Watch the monitors themselves.";
      return cause + age + (seconds >= 4 ? meanwhile : "");
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
      const unseen = document.hidden ? "HIDDEN · " : "";
      kv.title(many + (kv.link.live() ? "" : "NO DATA · ") + unseen);
    }

    function update() {
      const nowUs = kv.clock.nowUs();
      kv.text(clock, nowUs === null || !kv.link.live() ? "--:--:--" : kv.words.time(nowUs, true));
      kv.text(link, (kv.central.here ? CENTRAL_LINKS : LINKS)[kv.link.state]);
      kv.text(lost.firstChild, lossWords());
      kv.show(lost, kv.link.state !== "live");
      const alarming = kv.pageAlarm() && !kv.central.here;
      kv.attr(lost, "data-alarming", alarming ? "yes" : null);
      kv.show(silence, alarming);
      const beat = kv.model.beat;
      const unrecorded = Boolean(beat && !beat.recording);
      kv.attr(document.body, "data-recording", unrecorded ? "no" : null);
      const warning = beat ? beat.detail : "";
      kv.show(recording, unrecorded || Boolean(warning));
      kv.text(recording, (unrecorded ? "NOT RECORDING" + (warning ? ": " : "") : "") + warning);
      const state = kv.arming.state();
      const left = state === "paused" ? kv.arming.pausedS(nowUs) : null;
      kv.text(sound, SOUND[state] + (left === null ? "" : " " + kv.words.clock(left)));
      kv.attr(sound, "data-sound", state);
      const heard = beat && kv.link.live() ? audience(beat) : "";
      kv.text(armed, heard);
      kv.show(armed, heard !== "");
      kv.attr(armed, "data-armed", beat ? beat.armed : null);
      kv.show(name, !kv.who.accounts);
      person.update();
      people.update();
      emergency.update();
      arming.update(state);
      hidden.update();
      const word = kv.model.hello && kv.model.hello.mode !== "real" ? kv.model.hello.mode.toUpperCase() : "";
      kv.text(mode, word);
      kv.show(mode, word !== "");
      kv.attr(document.body, "data-mode", word ? kv.model.hello.mode : null);
      showAlarms();
    }
    for (const moment of ["sound", "who"]) kv.on(moment, update);
    return { update };
  };
})(window.kv);
