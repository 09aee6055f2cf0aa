/* What comes next in a room: the reading that is owed, the next phase, the earliest discharge. */
(function (kv) {
  "use strict";

  const MINUTE_US = 60e6;
  const RANK = { overdue: 2, due: 1, coming: 0 };
  const ENDED = ["CLOSED", "ABORTED"];

  /** "3:10", from an hour on "1 h 05". */
  const left = (seconds) => (seconds < 3600 ? kv.words.clock(seconds) : kv.words.age(seconds));

  /** "in 3:10", "DUE NOW", "OVERDUE 4:20". */
  function when(state, leftS) {
    if (leftS === null) return "";
    if (state === "overdue") return "OVERDUE " + left(-leftS);
    return state === "due" || leftS <= 0 ? "DUE NOW" : "in " + left(leftS + 0.999);
  }

  function item(room, what, name, atUs, state, nowUs) {
    const leftS = nowUs === null ? null : (atUs - nowUs) / kv.US;
    const now = state === "coming" && leftS !== null && leftS <= 0 ? "due" : state;
    const said = when(now, leftS);
    return { room, what, name, atUs, leftS, state: now, when: said, text: [name, said].filter(Boolean).join(" ") };
  }

  function owed(room, nowUs) {
    return kv.model.owed(room).map((due) => item(room, due.what, due.label || due.what, due.at_us, due.state, nowUs));
  }

  /** The phase that begins by itself next. */
  function phase(room, nowUs) {
    const { dose_us: doseUs, route: name, phase: present } = room.session;
    const route = kv.care.route(name);
    if (!route || doseUs === null || nowUs === null || !route.phases.some(([, key]) => key === present)) return [];
    const next = route.phases.find(([minute]) => doseUs + minute * MINUTE_US > nowUs);
    if (!next) return [];
    return [item(room, "phase", kv.words.phase(next[1]), doseUs + next[0] * MINUTE_US, "coming", nowUs)];
  }

  /** Until the clock allows a discharge; afterwards it is no longer something that comes. */
  function discharge(room, nowUs) {
    const atUs = room.care && room.care.earliest_us;
    if (!atUs || nowUs === null || atUs <= nowUs) return [];
    return [item(room, "discharge", "Earliest discharge", atUs, "coming", nowUs)];
  }

  const byNeed = (a, b) => RANK[b.state] - RANK[a.state] || a.atUs - b.atUs;

  /** All that comes in a room with a session, what is most pressing first: [{room, what, name, atUs,
      leftS, state, when, text}]; state: overdue, due, coming. */
  kv.coming = function (room, nowUs) {
    if (!room.session || ENDED.includes(room.session.phase)) return [];
    return [...owed(room, nowUs), ...phase(room, nowUs), ...discharge(room, nowUs)].sort(byNeed);
  };

  /** What somebody has to do next in a room: {text, state, …}; state "none" for nothing. A phase that
      begins by itself is nothing to do. */
  kv.nextDue = function (room, nowUs) {
    const next = kv.coming(room, nowUs).find((each) => each.what !== "phase");
    return next || { room, what: "", name: "", text: "", when: "", state: "none" };
  };

  /** The next of each room with a session, the most pressing first. */
  kv.nextOfAll = function (nowUs) {
    const rooms = [...kv.model.rooms.values()].filter((room) => room.session);
    return rooms
      .map((room) => kv.nextDue(room, nowUs))
      .filter((next) => next.state !== "none")
      .sort(byNeed);
  };
})(window.kv);
