/* The present state of every room, kept up to date by the station's messages. */
(function (kv) {
  "use strict";

  const model = (kv.model = {
    hello: null, // of this connection
    epoch: null, // of the station: another one has another clock and another state
    feed: "stale", // whether the web process hears its station
    beat: null,
    rooms: new Map(), // room id -> room, in the order of the station's config
    held: new Map(), // id -> reading of a roaming device that nobody has claimed yet
    spare: null, // what stands for a room where devices are in none
    version: 0, // counts snapshots; views rebuild their rooms when it changes
  });

  const SHOWN = ["active", "latched"];

  function roomOf(snapshot) {
    const room = {
      id: snapshot.id,
      label: snapshot.label || snapshot.id,
      devices: snapshot.devices.map((device) => ({ rejected: null, ...device })),
      sources: snapshot.sources, // channel -> devices, the most trusted first, where several give it
      numerics: {},
      entered: {}, // channel -> what a person has entered or claimed: shown where no stream speaks
      notices: new Map(),
      session: isOpen(snapshot.session) ? snapshot.session : null,
      alarms: new Map(snapshot.alarms.map((alarm) => [alarm.rule, alarm])),
      due: new Map(snapshot.due.map((due) => [due.what, due])),
      limits: snapshot.limits,
      trends: {},
      marks: [...snapshot.marks],
      care: snapshot.care || null, // what follows from the session: gate, discharge, what is owed
      waves: [], // waiting to be drawn
    };
    snapshot.numerics.forEach((numeric) => applyToRoom.numeric(room, numeric));
    snapshot.notices.forEach((notice) => room.notices.set(notice.device + " " + notice.code, notice));
    room.trends = Object.fromEntries(snapshot.trends.map((trend) => [trend.channel, kv.trend(trend)]));
    return room;
  }

  function isOpen(session) {
    return Boolean(session && session.id && session.ended_us === null);
  }

  /** Whether a numeric takes the place of the one that is shown. Where two devices of a room give
      the same channel, the station publishes only the one that it judges. */
  function replaces(known, numeric) {
    if (!known) return true;
    return numeric.at_us >= known.at_us; // never an older one, of whichever device
  }

  /** Whether a value is a person's word, not a stream's. A blood pressure is one like any other. */
  function isEntered(numeric) {
    return kv.BY_HAND.some((flag) => numeric.flags.includes(flag)) && !numeric.channel.startsWith("nibp");
  }

  function trendOf(room, channel) {
    return (room.trends[channel] = room.trends[channel] || kv.trend(null));
  }

  const apply = {
    hello(message, atMs) {
      if (model.epoch !== null && model.epoch !== message.epoch) kv.clock.reset();
      model.hello = message;
      model.epoch = message.epoch;
      kv.clock.hear(message.clock.now_us, message.clock.speed, atMs);
      kv.emit("hello", message);
    },
    snapshot(message, atMs) {
      model.rooms = new Map(message.rooms.map((room) => [room.id, roomOf(room)]));
      model.spare = model.rooms.get(kv.SPARE) || null;
      model.rooms.delete(kv.SPARE);
      model.feed = message.link;
      model.beat = message.beat;
      model.held = new Map((message.held || []).map((held) => [held.id, held]));
      model.version += 1;
      if (message.beat) kv.clock.hear(message.beat.now_us, message.beat.speed, atMs);
    },
    beat(message, atMs) {
      if (model.beat && message.now_us < model.beat.now_us && message.speed === model.beat.speed) return;
      model.beat = message;
      kv.clock.hear(message.now_us, message.speed, atMs);
    },
    /** At the centre: one more room is shown; see the snapshot. */
    room(message) {
      model.rooms.set(message.room.id, roomOf(message.room));
    },
    held(message) {
      if (message.gone) model.held.delete(message.id);
      else model.held.set(message.id, message);
    },
    feed(message) {
      model.feed = message.state;
    },
    result(message) {
      kv.emit("result", message);
    },
  };

  const applyToRoom = {
    numeric(room, message) {
      const among = isEntered(message) ? room.entered : room.numerics;
      if (!replaces(among[message.channel], message)) return;
      among[message.channel] = message;
      if (room.session && message.value !== null && message.quality !== "invalid")
        trendOf(room, message.channel).add(message.at_us, message.value);
    },
    wave(room, message) {
      room.waves.push(message);
      if (room.waves.length > 50) room.waves.shift(); // nobody draws: hidden, or another page
    },
    notice(room, message) {
      const key = message.device + " " + message.code;
      if (message.active) room.notices.set(key, message);
      else room.notices.delete(key);
    },
    link(room, message) {
      const device = room.devices.find((known) => known.id === message.device);
      if (!device) return;
      const { state, rejected, detail } = message;
      Object.assign(device, { state, rejected, detail });
    },
    device(room, message) {
      const device = room.devices.find((known) => known.id === message.device);
      if (device) device.status = message;
    },
    alarm(room, message) {
      room.alarms.set(message.rule, message);
    },
    due(room, message) {
      room.due.set(message.what, message);
    },
    session(room, message) {
      const before = room.session ? room.session.id : "";
      room.session = isOpen(message) ? message : null;
      if (message.id === before) return;
      room.care = null;
      room.due.clear();
      // the next patient must not begin with the last one's blood pressure
      for (const channel of Object.keys(room.numerics))
        if (channel.startsWith("nibp_")) delete room.numerics[channel];
      room.entered = {};
      if (room.session) {
        room.trends = {};
        room.marks = [];
      }
    },
    mark(room, message) {
      const known = message.id ? room.marks.findIndex((mark) => mark.id === message.id) : -1;
      if (known >= 0) room.marks[known] = message; // its time was corrected
      else room.marks.push(message);
    },
    care(room, message) {
      room.care = message;
    },
  };

  /** Takes one frame (an array of messages) that arrived at performance time `atMs`. */
  model.take = function (messages, atMs) {
    for (const message of messages) {
      if (apply[message.t]) {
        apply[message.t](message, atMs);
        continue;
      }
      const room = message.room === kv.SPARE ? model.spare : model.rooms.get(message.room);
      if (room && applyToRoom[message.t]) applyToRoom[message.t](room, message);
    }
  };

  const here = (room) => [...room.alarms.values()].filter((alarm) => SHOWN.includes(alarm.condition));
  // Worst first: what is compared, in this order; the larger one comes first.
  const URGENCY = [
    (alarm) => kv.rank(alarm.priority),
    (alarm) => (alarm.silent ? 0 : 1),
    (alarm) => (alarm.acked_by ? 0 : 1),
    (alarm) => (alarm.side === "technical" ? 0 : 1),
    (alarm) => alarm.onset_us || 0,
  ];
  function byUrgency(a, b) {
    for (const of of URGENCY) if (of(a) !== of(b)) return of(b) - of(a);
    return 0;
  }

  /** Alarms of a room that are to be seen, worst first. An annotation (info) is none. */
  model.alarms = function (room) {
    return here(room)
      .filter((alarm) => alarm.priority !== "info")
      .sort(byUrgency);
  };

  /** Alarms of all rooms, worst first: [{room, alarm}]. */
  model.allAlarms = function () {
    const all = [...model.rooms.values()].flatMap((room) =>
      model.alarms(room).map((alarm) => ({ room, alarm })),
    );
    return all.sort((a, b) => byUrgency(a.alarm, b.alarm));
  };

  /** What is noted of a room's numbers without being an alarm. */
  model.annotations = (room) => here(room).filter((alarm) => alarm.priority === "info");

  /** Rules that are switched off or suspended: shown with a crossed bell as long as it lasts. */
  model.rulesOff = function (room) {
    return [...room.alarms.values()].filter((alarm) => alarm.rule_state !== "enabled");
  };

  /** The limits that hold in a room now; without a session, or from an older station, the profile's. */
  model.limits = (room) => (room.care && room.care.limits && room.care.limits.length ? room.care.limits : room.limits);

  /** What is owed, soonest first. */
  model.owed = function (room) {
    const owed = [...room.due.values()].filter((due) => kv.OWED.includes(due.state));
    return owed.sort((a, b) => a.at_us - b.at_us);
  };

  /** All devices: [[room, device]]. */
  model.devices = function () {
    const rooms = [...model.rooms.values(), ...(model.spare ? [model.spare] : [])];
    return rooms.flatMap((room) => room.devices.map((device) => [room, device]));
  };

  /** The device that gives a channel in this room, or undefined. */
  model.deviceOf = function (room, channel) {
    const numeric = room.numerics[channel];
    return (
      (numeric && room.devices.find((device) => device.id === numeric.device)) ||
      room.devices.find((device) => device.channels.includes(channel))
    );
  };
})(window.kv);
