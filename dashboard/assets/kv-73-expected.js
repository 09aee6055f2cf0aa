/* The expected course of blood pressure behind this session's: of many people over this patient's
   baseline as a soft band, and this patient's own earlier sessions as thin lines. It is no limit. */
(function (kv) {
  "use strict";

  const AGAIN_MS = 30000; // after an answer that was none
  const MINUTE_US = 60e6;
  const CHANNELS = ["nibp_sys", "nibp_dia"];
  const known = new Map(); // room id -> {key, course, atMs}

  /** What a course depends on: the patient, the route, the dose and the frozen baseline. */
  function keyOf(session) {
    return JSON.stringify([session.id, session.subject_ref, session.route, session.dose_us, session.baseline]);
  }

  async function ask(room, key) {
    const entry = { key, course: null, atMs: performance.now() };
    known.set(room.id, entry);
    try {
      const answer = await fetch("/api/v1/rooms/" + encodeURIComponent(room.id) + "/expected");
      if (answer.ok) entry.course = await answer.json();
    } catch {
      return; // the server is away, which every page says; asked again later
    }
  }

  /** The course of a room's session, asked for once; null as long as there is none. */
  function courseOf(room) {
    const session = room.session;
    if (!session || session.dose_us === null) return null;
    const key = keyOf(session);
    const entry = known.get(room.id);
    const failed = entry && !entry.course && performance.now() - entry.atMs > AGAIN_MS;
    if (!entry || entry.key !== key || failed) ask(room, key);
    const { key: has, course } = known.get(room.id);
    return has === key && course && course.session === session.id ? course : null;
  }

  function band({ minutes, low, high }, at) {
    const xs = [...minutes.map(at), ...[...minutes].reverse().map(at)];
    return { x: xs, y: [...high, ...[...low].reverse()] };
  }

  kv.expected = {
    /** Plotly traces, the band first: they lie behind everything else. */
    traces(room, x, colour) {
      const course = courseOf(room);
      if (!course) return [];
      const at = (minute) => x(room.session.dose_us + minute * MINUTE_US);
      const bands = CHANNELS.filter((channel) => course.bands[channel]).map((channel) => ({
        ...band(course.bands[channel], at),
        name: "expected " + channel,
        mode: "lines",
        fill: "toself",
        fillcolor: colour + "24",
        line: { width: 0 },
      }));
      const earlier = course.earlier.flatMap(({ readings }) =>
        [1, 2].map((column) => ({
          x: readings.map((reading) => at(reading[0])),
          y: readings.map((reading) => reading[column]),
          name: "earlier session",
          mode: "lines",
          line: { width: 1, color: colour + "70" },
        })),
      );
      return [...bands, ...earlier];
    },
    /** "expected course – not a limit", with what else is drawn or missing; "" for nothing. */
    words(room) {
      const course = courseOf(room);
      if (!course) return "";
      const any = CHANNELS.some((channel) => course.bands[channel]);
      const n = course.earlier.length;
      const own = n ? "thin lines: " + n + " earlier session" + (n === 1 ? "" : "s") + " of this patient" : "";
      return [any ? course.label : "no baseline: no expected course", own].filter(Boolean).join("; ");
    },
  };
})(window.kv);
