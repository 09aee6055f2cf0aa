/* The central view: rooms of many stations in one list, for information only. The page asks the
   server a question (site, clinic, search, …) and gets the rooms that answer it, worst first; the
   messages of these rooms alone follow. Nothing here sends a command or makes a sound. */
(function (kv) {
  "use strict";

  const NOTHING = { total: 0, counts: {}, sites: [], rooms: [], stations: {}, trouble: "" };
  const EVERYTHING = { site: "", clinic: "", q: "", only: "all", offset: 0, limit: 200 };
  const LOCALLY = "room monitors locally";

  let here = false; // whether this page is served by the centre
  let ward = NOTHING; // the newest answer
  let heardMs = 0; // when it came
  let asked = null; // the question of the present view
  let unsent = false;
  let places = new Map(); // room id -> where it is, and how its station is heard

  /** How old the last word of a room's station is, in seconds. */
  const silentS = (place) => place.age_s + (performance.now() - heardMs) / 1000;

  function take(answer) {
    ward = { ...NOTHING, ...answer };
    heardMs = performance.now();
    places = new Map(ward.rooms.map((place) => [place.id, place]));
  }

  function send() {
    // rooms that come to the list are sent one by one, not all of them anew
    unsent = !kv.link.send({ t: "ward", ...asked, adds: true });
  }

  const central = (kv.central = {
    LOCALLY,
    NO_COMMAND: "Information only: nothing was done. Act at the station.",
    BANNER: "Information only – alarms sound and are acknowledged at the station",
    get here() {
      return here;
    },
    get ward() {
      return ward;
    },
    /** Whether the newest answer is that of the newest question. */
    answered() {
      const of = { ...EVERYTHING, ...ward.asked };
      return Boolean(asked && ward.asked) && Object.keys(EVERYTHING).every((name) => of[name] === asked[name]);
    },
    place: (roomId) => places.get(roomId) || null,
    /** Whether anything is known at all: before the database has answered, no room is not "0 rooms". */
    get known() {
      return kv.link.live() || ward.sites.length > 0;
    },
    /** Whether a room's station is heard now. */
    live(roomId) {
      const place = places.get(roomId);
      return Boolean(place) && place.link === "live";
    },
    /** "North › Clinic 2 › Second floor": where a room is. */
    path: (place) => [place.site, place.clinic, central.stationName(place.station)].join(" › "),
    stationName: (id) => (ward.stations[id] && ward.stations[id].name) || id,
    /** What must be said of the way to a room: {state, text, rest}; state live, stale or lost. */
    link(place) {
      if (!place || place.link === "live") return { state: place ? "live" : "stale", text: "", rest: "" };
      const age = kv.words.age(silentS(place));
      if (place.link === "lost") return { state: "lost", text: "LINK LOST " + age, rest: LOCALLY };
      return { state: "stale", text: "NO NEWS " + age, rest: "" };
    },
    /** What is wrong at a station, in words: its clock is off, it does not record. */
    station: (id) => (ward.stations[id] && ward.stations[id].words) || [],
    /** Asks for rooms, now and after every loss of the connection. */
    ask(question) {
      asked = { ...EVERYTHING, ...question };
      send();
    },
    /** Another view: what was answered before is not its answer. One of a room asks nothing; the
        server knows its room by the waveforms that it wants. */
    begin() {
      asked = null;
      take({});
    },
  });

  kv.on("hello", (hello) => {
    unsent = asked !== null; // this connection has not heard it
    if (Boolean(hello.central) === here) return;
    here = Boolean(hello.central);
    kv.attr(document.body, "data-central", here ? "yes" : null);
    kv.emit("central", here);
  });
  // a snapshot comes after every answer, too: only what was not sent yet is sent
  kv.on("synced", () => {
    if (here && unsent && asked) send();
  });
  kv.on("frame", (messages) => {
    const answer = messages.findLast((message) => message.t === "ward");
    if (!answer) return;
    take(answer);
    // those that it no longer names do not flow here any more
    for (const id of [...kv.model.rooms.keys()]) if (!places.has(id)) kv.model.rooms.delete(id);
    kv.emit("ward", ward);
  });

  // --- what the pages of a station are at the centre -------------------------------------------

  const AT_STATION = {
    devices: ["Devices", "Devices are looked after at their own station."],
    handover: ["Hand-over", "Hand-over is at the station: open its own page there."],
    quiet: ["Quiet view", "The screen inside a room belongs to its own station."],
  };

  function elsewhere(name) {
    const [title, words] = AT_STATION[name];
    return (container) => {
      container.append(kv.el("h1", { class: "unseen" }, title), kv.el("p", { class: "empty" }, words));
      const nothing = () => {};
      return { title, waves: [], update: nothing, tick: nothing, rebuild: nothing, unmount: nothing };
    };
  }

  const OF_CENTRE = { overview: (container) => kv.centralOverview(container) };
  for (const name of Object.keys(AT_STATION)) OF_CENTRE[name] = elsewhere(name);
  OF_CENTRE.room = (container, roomId, local) => kv.centralRoom(container, roomId, local);
  for (const [name, local] of Object.entries(kv.views)) {
    const other = OF_CENTRE[name];
    if (other) kv.views[name] = (container, argument) => (central.here ? other(container, argument, local) : local(container, argument));
  }

  /** Says on every page what this one is not. Dash lays the frame out when it likes. */
  const banner = kv.el("p", { class: "central-banner", role: "note" }, central.BANNER);
  const trouble = kv.el("p", { class: "central-trouble", role: "status" });
  function say() {
    const place = document.getElementById("kv-banners");
    if (here && place && banner.parentElement !== place) place.prepend(banner);
    if (!here) banner.remove();
    const why = here && kv.link.state === "stale" ? ward.trouble : "";
    kv.text(trouble, why);
    if (why && place && trouble.parentElement !== place) place.append(trouble);
    if (!why) trouble.remove();
  }
  for (const moment of ["central", "frame", "tick"]) kv.on(moment, say);
})(window.kv);
