/* Columns of the list of sessions: what stands in each, and what it is sorted by. */
(function (kv) {
  "use strict";

  const NONE = "–";
  const SIGNALS = ["high", "medium", "low"];

  const day = (session) => kv.words.moment(session.started_us, session.utc_offset_s);
  const clock = (us, session) => (us === null ? NONE : kv.words.moment(us, session.utc_offset_s).slice(11, 16));
  const minute = (minutes) =>
    minutes === null ? "" : " at " + (minutes < 0 ? "−" : "+") + Math.round(Math.abs(minutes)) + " min";
  const percent = (share) => (share === null ? NONE : share.toFixed(1) + " %");
  const whole = (value) => (value === null ? kv.NONE : String(Math.round(value)));

  function subject(session, link) {
    const place = kv.el("span", { class: "list-subject" });
    if (session.mode !== "real") place.append(kv.el("b", { class: "chip list-mode" }, session.mode.toUpperCase()));
    place.append(link);
    for (const sentence of session.unreadable) place.append(kv.el("span", { class: "list-damage" }, sentence));
    return place;
  }

  function ended(session) {
    if (session.ended_us === null) return kv.el("b", { class: "list-open" }, "open");
    return clock(session.ended_us, session);
  }

  function peak({ peak }) {
    return peak ? whole(peak.sys) + "/" + whole(peak.dia) + minute(peak.minute) : NONE;
  }

  function lowest({ lowest_spo2: found }) {
    if (!found) return NONE;
    return whole(found.value) + " %" + minute(found.minute) + (found.questionable ? ", questionable" : "");
  }

  function alarms({ alarms: counts }) {
    if (!counts) return NONE;
    const some = SIGNALS.filter((priority) => counts[priority]);
    if (!some.length) return "none";
    const each = some.map((priority) => {
      const words = kv.el("span", { class: "unseen" }, " " + priority);
      return kv.el("span", { class: "count", "data-priority": priority }, kv.icon(priority), String(counts[priority]), words);
    });
    return kv.el("span", { class: "list-alarms" }, ...each);
  }

  function owed(session) {
    if (session.ended_us === null) return kv.el("i", {}, "goes on");
    return session.owed.length ? kv.el("span", { class: "list-owed" }, session.owed.join("; ")) : "";
  }

  function signed({ addenda, signatures, signed_last: last }) {
    const words = [];
    if (signatures) words.push(last ? "signed" : "signed before the last addendum");
    if (addenda) words.push(addenda === 1 ? "1 addendum" : addenda + " addenda");
    return words.join(", ");
  }

  /* key: as in the API's `sort`; first: the direction of the first press; made: of facts that are
     worked out after the session was found; central: where there are several sites; cell(session,
     link). */
  kv.reviewColumns = [
    { key: "subject", title: "Pseudonym", first: "", cell: subject },
    { key: "started", title: "Opened", first: "-", cell: (session) => day(session).slice(0, 16) },
    { key: "ended", title: "Closed", first: "-", cell: ended },
    { key: "site", title: "Site", first: "", central: true, cell: ({ site }) => site },
    { key: "clinic", title: "Clinic", first: "", central: true, cell: ({ clinic }) => clinic },
    { key: "room", title: "Room", first: "", cell: ({ room, room_label: label }) => label || kv.reviewRoom(room) },
    { key: "route", title: "Route", first: "", cell: (session) => kv.words.route(session.route) },
    { key: "dose", title: "Dose", first: "-", cell: (session) => clock(session.dose_us, session) },
    { key: "peak", title: "Peak BP after dose", first: "-", made: true, cell: peak },
    { key: "spo2", title: "Lowest SpO₂", first: "", made: true, cell: lowest },
    { key: "alarms", title: "Alarms", first: "-", made: true, cell: alarms },
    { key: "coverage", title: "SpO₂ covered", first: "", made: true, cell: ({ coverage }) => percent(coverage ? coverage.spo2 : null) },
    { key: "pulse", title: "Pulse covered", first: "", made: true, cell: ({ coverage }) => percent(coverage ? coverage.pulse : null) },
    { key: "nibp", title: "BP taken", first: "", made: true, cell: ({ nibp }) => (nibp && nibp.planned ? nibp.taken + " of " + nibp.planned : NONE) },
    { key: "owed", title: "Unfinished", first: "-", made: true, cell: owed },
    { key: "restarts", title: "Restarts", first: "-", cell: (session) => String(session.resumed || NONE) },
    { key: "signed", title: "Signed", first: "-", made: true, cell: signed },
  ];

  /** What a room is called where it is known, else its id. */
  kv.reviewRoom = function (id) {
    const room = kv.model.rooms.get(id);
    return (room && room.label) || id;
  };
})(window.kv);
