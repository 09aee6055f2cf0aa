/* What the clinic asks, marks, scores and prints, as the station says it (`hello.care`), and what
   of it concerns one session. */
(function (kv) {
  "use strict";

  const NOTHING = { route: [], gate: {}, checkin: [], mark: [], scale: [], discharge: [], emergency: { card: [], marks: [] } };
  const GROUPS = {
    patient: "Patient",
    plan: "Plan",
    devices: "Devices",
    drugs: "Drugs that matter",
    conditions: "Conditions that matter",
  };
  const SEEN_MS = 1500; // nobody has read what has changed within this

  const told = () => (kv.model.hello && kv.model.hello.care) || NOTHING;

  /** The rev of each room's session as it has been on the page: room -> [[rev, since ms]]. */
  const revs = new Map();
  function note() {
    const nowMs = performance.now();
    for (const room of kv.model.rooms.values()) {
      const rev = room.session ? room.session.rev : -1;
      const known = revs.get(room.id) || [[rev, -SEEN_MS]]; // what the page began with
      if (known[known.length - 1][0] !== rev) known.push([rev, nowMs]);
      while (known.length > 1 && nowMs - known[1][1] > SEEN_MS) known.shift();
      revs.set(room.id, known);
    }
  }
  kv.on("frame", note);

  kv.care = {
    told,
    /** Whether the station has said what the clinic asks. */
    known: () => Boolean(kv.model.hello && kv.model.hello.care),
    route: (name) => told().route.find((route) => route.name === name),
    /** [name, label] of all routes. */
    routes() {
      const known = told().route.map((route) => [route.name, route.label]);
      return known.length ? known : Object.entries(kv.ROUTES);
    },
    group: (key) => GROUPS[key] || key.replaceAll("_", " ") || "Check-in",
    /** Marks of one tap that this session may have. */
    marks(session) {
      return told().mark.filter((mark) => !mark.routes.length || (session && mark.routes.includes(session.route)));
    },
    scale: (id) => told().scale.find((scale) => scale.id === id),
    /** "Pain", of "Sedation (MOAA/S)" only "MOAA/S". */
    brief: (scale) => (/\(([^)]+)\)/.exec(scale.label) || [null, scale.label])[1],

    /** What the session's rev was on this page a moment ago: what a person can have seen. */
    seen: (roomId) => (revs.get(roomId) || [[0]])[0][0],

    /** "0.50 mg/kg" of a dose, "" where the weight is not known. */
    perKg(session, mg) {
      const kg = session && session.checkin.weight_kg;
      return typeof mg === "number" && kg > 0 ? (mg / kg).toFixed(2) + " mg/kg" : "";
    },
    /** "Ketamine · 35 mg · 0.50 mg/kg of 70 kg"; "" for nothing. */
    dose(session, drug, mg) {
      const perKg = kv.care.perKg(session, mg);
      const kg = session && session.checkin.weight_kg;
      const amount = typeof mg === "number" ? kv.words.number(mg) + " mg" : "";
      return [drug || "", amount, perKg && perKg + " of " + kv.words.number(kg) + " kg"].filter(Boolean).join(" · ");
    },
  };

  kv.words.number = (value) => String(Math.round(value * 100) / 100);

  /** A station time from "13:42" or "13:42:05" in the place of the reader: the last such moment that
      is not in the future. Null for what is no time. */
  kv.moment = function (text, nowUs) {
    const found = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text.trim());
    if (!found || nowUs === null) return null;
    const [hours, minutes, seconds] = [Number(found[1]), Number(found[2]), Number(found[3] || 0)];
    if (hours > 23 || minutes > 59 || seconds > 59) return null;
    const at = new Date(nowUs / 1000);
    at.setHours(hours, minutes, seconds, 0);
    if (at.getTime() * 1000 > nowUs) at.setDate(at.getDate() - 1);
    return at.getTime() * 1000;
  };
})(window.kv);
