/* How things are called and written. Values are integers; no value is "--", never 0. */
(function (kv) {
  "use strict";

  kv.NONE = "--";

  kv.CHANNELS = {
    spo2: { label: "SpO₂", unit: "%" },
    hr: { label: "HR", unit: "/min" },
    pr: { label: "PR", unit: "/min" },
    nibp_sys: { label: "SYS", unit: "mmHg" },
    nibp_dia: { label: "DIA", unit: "mmHg" },
    nibp_map: { label: "MAP", unit: "mmHg" },
    pi: { label: "PI", unit: "%", digits: 1 },
    rr: { label: "RR", unit: "/min" },
    cuff: { label: "Cuff", unit: "mmHg" },
  };

  // rank: order of urgency; the mark stands inside the priority's own shape
  kv.PRIORITIES = {
    high: { rank: 3, word: "HIGH", mark: "!!!" },
    medium: { rank: 2, word: "MEDIUM", mark: "!!" },
    low: { rank: 1, word: "LOW", mark: "!" },
    info: { rank: 0, word: "NOTE", mark: "i" },
  };
  /** An alarm that is shown and does not call: its own shape, whatever its priority. */
  kv.HOLD = { word: "HOLD", mark: "?" };
  kv.rank = (priority) => (kv.PRIORITIES[priority] || kv.PRIORITIES.info).rank;

  kv.PHASES = {
    CHECK_IN: "Check-in",
    BASELINE: "Baseline",
    GATE: "Pre-dose check",
    DOSING: "Dosing",
    ONSET_PEAK: "Onset / peak",
    DESCENT: "Descent",
    RECOVERY: "Recovery",
    DISCHARGE_CHECK: "Discharge check",
    CLOSED: "Closed",
    ABORTED: "Aborted",
    EMERGENCY: "EMERGENCY",
  };
  kv.ROUTES = { iv: "IV", im: "IM", intranasal: "Intranasal", sublingual: "Sublingual" };

  // What a device says about its sensor, worst first; only these are shown beside a number.
  kv.NOTICES = {
    sensor_off: "SENSOR OFF",
    no_sensor: "NO SENSOR",
    sensor_fault: "SENSOR FAULT",
    searching: "SEARCHING",
    low_perfusion: "LOW PERFUSION",
    artifact: "ARTIFACT",
    weak_signal: "WEAK SIGNAL",
    out_of_track: "OUT OF TRACK",
    interference: "INTERFERENCE",
    marginal_perfusion: "LOW PERFUSION",
    irregular_pulse: "IRREGULAR",
  };
  kv.LINKS = { connecting: "CONNECTING", silent: "NO DATA", lost: "LINK LOST" };
  // Values that a person has entered, and those of a roaming cuff that somebody has claimed.
  kv.BY_HAND = ["manual", "claimed"];
  kv.BADGES = { manual: ["M", "entered by hand"], claimed: ["C", "of a roaming device, claimed for this patient"] };
  kv.SIDES = { high: ["▲", "ABOVE"], low: ["▼", "BELOW"] };
  kv.SPARE = "-"; // stands for a room where devices are in none
  kv.OWED = ["overdue", "due", "coming"];

  kv.words = {
    value(channel, value) {
      return value.toFixed((kv.CHANNELS[channel] || {}).digits || 0);
    },
    notice: (code) => code.replaceAll("_", " "),
    phase: (key) => kv.PHASES[key] || key.replaceAll("_", " ").toLowerCase(),
    route: (key) => kv.ROUTES[key] || key,
    /** Age in seconds: "4 s", "59 s", "12 min", "2 h 05". */
    age(seconds) {
      const s = Math.max(0, Math.floor(seconds));
      if (s < 60) return s + " s";
      const minutes = Math.floor(s / 60);
      if (minutes < 60) return minutes + " min";
      return Math.floor(minutes / 60) + " h " + String(minutes % 60).padStart(2, "0");
    },
    /** Countdown and time since: "0:32", "12:05". */
    clock(seconds) {
      const s = Math.max(0, Math.floor(seconds));
      return Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
    },
    /** What is left of a time that ends: "03:10". */
    countdown: (seconds) => kv.words.clock(seconds + 0.999).padStart(5, "0"),
    /** Hours and minutes, as of the dose clock: "0:42". */
    hours(seconds) {
      const minutes = Math.floor(Math.abs(seconds) / 60);
      return Math.floor(minutes / 60) + ":" + String(minutes % 60).padStart(2, "0");
    },
    /** Time of day of a station time, in the place of the reader. */
    time(us, withSeconds) {
      const at = new Date(us / 1000);
      const two = (n) => String(n).padStart(2, "0");
      const text = two(at.getHours()) + ":" + two(at.getMinutes());
      return withSeconds ? text + ":" + two(at.getSeconds()) : text;
    },
    /** Date and time of a recorded moment in the place of the clinic: "2027-01-15 10:00:00". */
    moment(us, utcOffsetS) {
      if (us === null) return "–";
      return new Date(us / 1000 + utcOffsetS * 1000).toISOString().slice(0, 19).replace("T", " ");
    },
    /** "T+0:42", or what is known before the dose. */
    dose(session, nowUs) {
      if (!session || session.dose_us === null) return "before dose";
      return nowUs === null ? "T+–" : "T+" + kv.words.hours((nowUs - session.dose_us) / kv.US);
    },
    /** An event of the time line. */
    mark(mark) {
      if (mark.kind === "mark") return mark.text;
      const text = mark.kind === "phase" ? kv.words.phase(mark.text) : mark.text;
      return mark.kind.replaceAll("_", " ") + (text ? ": " + text : "");
    },
    /** "OFF MONITOR 03:10" while a patient is, else "". */
    off(session, nowUs) {
      if (!session || session.off_since_us === null) return "";
      const known = nowUs !== null && session.off_until_us !== null;
      const left = known ? kv.words.countdown((session.off_until_us - nowUs) / kv.US) : "";
      return "OFF MONITOR " + left;
    },
    /** "NOT RECORDING" while what is shown is not recorded, else "". */
    unrecorded: (session) => (session && kv.model.beat && !kv.model.beat.recording ? "NOT RECORDING" : ""),
    short: (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text),
    /** What is owed: {text, state}. */
    due(due, nowUs) {
      const name = due.label || due.what;
      const left = nowUs === null ? null : (due.at_us - nowUs) / kv.US;
      if (left === null) return { text: name, state: due.state };
      if (due.state === "overdue")
        return { text: name + " OVERDUE " + kv.words.age(-left), state: "overdue" };
      if (due.state === "due" || left <= 0) return { text: name + " due now", state: "due" };
      const minutes = Math.max(1, Math.ceil(left / 60));
      return { text: name + " in " + minutes + " min", state: "coming" };
    },
  };
})(window.kv);
