/* Whether an alarm would be heard at this page: armed, or why not. The station counts the armed
   pages of all screens and alarms when there is none, so this must never say yes for nothing. */
(function (kv) {
  "use strict";

  const REPORT_MS = 1900; // at least every 2 s, with ticks of 500 ms

  let confirmed = false; // somebody has heard the test tone, since this page was loaded
  let said = null; // what the server last heard
  let saidMs = 0;

  /** When the last of the running audio pauses ends, null when nothing is paused. */
  function pauseEndsUs() {
    const ends = kv.model
      .allAlarms()
      .filter(({ alarm }) => alarm.signal === "paused" && alarm.signal_until_us !== null)
      .map(({ alarm }) => alarm.signal_until_us);
    return ends.length ? Math.max(...ends) : null;
  }

  const arming = (kv.arming = {
    /** "off" (the quiet page), "blocked" (by the browser), "unarmed", "paused" or "on". */
    state() {
      if (!kv.sound.enabled) return "off";
      if (!kv.sound.running()) return "blocked";
      if (!confirmed) return "unarmed";
      return pauseEndsUs() === null ? "on" : "paused";
    },

    /** Why an alarm would not be heard here, "" when it would.

        A hidden page counts as long as its audio runs: alarms come as messages and the watchdog's
        ticks come from a worker, neither of which a browser slows down in a hidden tab. Where the
        browser stops the audio of hidden pages (telephones do), the page is blocked, not armed. A
        page that is frozen altogether says nothing, and who says nothing is not counted. */
    why() {
      const state = arming.state();
      if (state === "off") return "quiet page";
      if (state === "blocked") return "blocked by the browser";
      if (state === "unarmed") return "not confirmed";
      return kv.link.live() ? "" : "no data";
    },

    /** A person has heard the test tone, or has not. */
    confirm(heard) {
      confirmed = heard;
      report();
      kv.emit("sound");
    },

    pausedS(nowUs) {
      const endsUs = pauseEndsUs();
      return endsUs === null || nowUs === null ? null : (endsUs - nowUs) / kv.US + 0.999;
    },
  });

  function report() {
    const why = arming.why();
    const armed = why === "";
    kv.attr(document.body, "data-sound", arming.state());
    kv.attr(document.body, "data-armed", armed ? "yes" : "no");
    if (kv.central.here) return; // nobody relies on being called by this page
    const now = performance.now();
    if (said === why && now - saidMs < REPORT_MS) return;
    if (!kv.link.send({ t: "sound", armed, why })) return;
    said = why;
    saidMs = now;
  }

  kv.on("synced", () => {
    said = null; // another connection: it has heard nothing yet
  });
  for (const moment of ["frame", "tick", "sound"]) kv.on(moment, report);
})(window.kv);
