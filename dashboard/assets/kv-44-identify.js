/* Which box is which. For a minute after Identify was pressed, each device is marked whose link,
   notices or values change: somebody stands before it, and does something to it. And the other way
   round: the station tells every page which device was meant, and its room lights up. */
(function (kv) {
  "use strict";

  const WATCH_MS = 60000;

  let device = ""; // whose button was pressed here
  let untilMs = 0;
  let before = new Map(); // device -> what was known of it
  const changed = new Map(); // device -> {text, atMs}
  const shown = new Map(); // room -> the station's newest message about it

  /** What somebody at the device can change, as words by name; "" for what is not there. */
  function state(room, each, nowUs) {
    const facts = { link: kv.LINKS[each.state] || "link up" };
    for (const notice of room.notices.values())
      if (notice.device === each.id) facts["n " + notice.code] = kv.words.notice(notice.code);
    for (const numeric of Object.values(room.numerics)) {
      if (numeric.device !== each.id || kv.judge(numeric, nowUs, true).state === "none") continue;
      const label = (kv.CHANNELS[numeric.channel] || { label: numeric.channel }).label;
      // of what is measured now and then, each new reading counts
      const key = numeric.gone_s === null ? numeric.channel + " " + numeric.at_us : numeric.channel;
      facts["v " + key] = label + " has come";
    }
    return facts;
  }

  function difference(was, is) {
    for (const key of Object.keys(is)) if (was[key] !== is[key]) return is[key];
    const gone = Object.keys(was).find((key) => !(key in is) && !/^v .* /.test(key));
    return gone ? was[gone].replace(" has come", "") + (gone.startsWith("v ") ? " has gone" : " ended") : "";
  }

  function look() {
    const nowUs = kv.clock.nowUs();
    const now = new Map(kv.model.devices().map(([room, each]) => [each.id, state(room, each, nowUs)]));
    for (const [id, facts] of now) {
      const text = before.has(id) ? difference(before.get(id), facts) : "";
      if (text) changed.set(id, { text, atMs: performance.now() });
    }
    before = now;
  }

  const watching = () => performance.now() < untilMs;

  kv.identify = {
    /** Begins to look for what changes. */
    start(id) {
      device = id;
      untilMs = performance.now() + WATCH_MS;
      changed.clear();
      before = new Map();
      if (kv.link.live()) look();
    },
    stop() {
      untilMs = 0;
      changed.clear();
    },
    /** The device whose button was pressed here, "" when nothing is looked for. */
    device: () => (watching() ? device : ""),
    leftS: () => Math.max(0, (untilMs - performance.now()) / 1000),
    /** What has changed of a device: {text, ageS}, or null. */
    changed(id) {
      const found = watching() && changed.get(id);
      return found ? { text: found.text, ageS: (performance.now() - found.atMs) / 1000 } : null;
    },
    /** The device that somebody wants to be seen in a room now, or "". */
    asked(roomId, nowUs) {
      const message = shown.get(roomId);
      return message && nowUs !== null && nowUs < message.until_us ? message.device : "";
    },
    /** Words for a room's tile: what is looked for there, or has changed there; "" for nothing. */
    words(room, nowUs) {
      const asked = kv.identify.asked(room.id, nowUs);
      if (asked) return asked;
      const found = room.devices.filter((each) => kv.identify.changed(each.id));
      return found.length ? found.map((each) => each.id).join(", ") + " changed" : "";
    },
  };

  kv.on("frame", (messages) => {
    for (const message of messages) if (message.t === "identify") shown.set(message.room, message);
    if (watching() && kv.link.live()) look();
  });
  kv.on("tick", () => watching() && kv.link.live() && look());
})(window.kv);
