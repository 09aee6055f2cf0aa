/* The websocket to the server, and what it is worth: live, stale (the server does not hear its
   station) or lost (the page does not hear the server). */
(function (kv) {
  "use strict";

  const SILENT_MS = 4000; // without a word for this long the other side is gone
  const DROP_MS = 6000; // an open socket that is silent is given up
  const SLEPT_MS = 2500; // a pause in ticks and messages: the computer slept
  const BACKOFF_MS = [250, 500, 1000, 2000];

  const link = (kv.link = { state: "lost", slept: false });

  let socket = null;
  let synced = false; // whether this connection's snapshot has come
  let tries = 0;
  let retryAtMs = 0;
  let openedMs = 0;
  let frameMs = 0; // when the newest frame came
  let heardMs = performance.now(); // when the station was last heard
  let wallMs = Date.now();
  let skewMs = Date.now() - performance.now();
  let waves = [];
  let told = ""; // the waves that this connection was told

  /** Notes that the page runs. True when it has just been asleep (or its clocks jumped). */
  function slept() {
    const wall = Date.now();
    const skew = wall - performance.now();
    const paused = wall - wallMs > SLEPT_MS || Math.abs(skew - skewMs) > SLEPT_MS;
    wallMs = wall;
    skewMs = skew;
    return paused;
  }

  function drop() {
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      socket = null;
    }
    synced = false;
  }

  /** Nothing that is on the screen or in the socket's buffer may be believed: start again. */
  function resync() {
    drop();
    kv.clock.reset();
    link.slept = true;
    tries = 0;
    retryAtMs = 0;
    judge();
    kv.emit("tick");
    connect();
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    told = waves.join();
    const query = waves.length ? "?waves=" + waves.map(encodeURIComponent).join(",") : "";
    const mine = (socket = new WebSocket(scheme + location.host + "/live" + query));
    openedMs = performance.now();
    mine.onmessage = (event) => {
      if (slept()) resync();
      else receive(event.data);
    };
    mine.onclose = () => {
      if (socket !== mine) return;
      drop();
      kv.emit("closed");
      retryAtMs = performance.now() + BACKOFF_MS[Math.min(tries, 3)] * (0.75 + Math.random() / 4);
      tries += 1;
      judge();
      setTimeout(pulse, retryAtMs - performance.now() + 5);
    };
  }

  function receive(data) {
    frameMs = performance.now();
    const messages = JSON.parse(data);
    kv.model.take(messages, frameMs);
    if (messages.some((message) => message.t === "beat")) heardMs = frameMs;
    if (messages.some((message) => message.t === "snapshot")) {
      synced = true;
      tries = 0;
      link.slept = false;
      tellWaves();
      kv.emit("synced");
    }
    judge();
    if (synced && messages.length) kv.emit("frame", messages);
  }

  function present() {
    const now = performance.now();
    if (!synced) return "lost"; // said at once, however soon it is mended
    if (now - frameMs > SILENT_MS) return "lost";
    const beat = kv.model.beat;
    const stationUs = kv.clock.nowUs();
    if (kv.model.feed !== "live" || !beat || stationUs === null) return "stale";
    const beatAgeMs = (stationUs - beat.now_us) / 1000 / kv.clock.speed;
    return beatAgeMs > SILENT_MS ? "stale" : "live";
  }

  function judge() {
    const state = present();
    link.state = state;
    kv.attr(document.body, "data-link", state);
  }

  function pulse() {
    if (slept()) return resync();
    const now = performance.now();
    if (socket && now - Math.max(frameMs, openedMs) > DROP_MS) {
      drop();
      tries = 0;
      retryAtMs = 0;
    }
    if (!socket && now >= retryAtMs) connect();
    judge();
    kv.emit("tick");
  }

  /** Whether what is shown is of this moment; of a room at the centre, whether its station is heard. */
  link.live = (roomId) => link.state === "live" && (!roomId || !kv.central.here || kv.central.live(roomId));

  /** For how many seconds the page has not heard the station, 0 while all is well. */
  link.silentS = () => (link.live() ? 0 : (performance.now() - heardMs) / 1000);

  /** Sends a message; false when there is no connection now. */
  link.send = function (message) {
    if (!synced || socket.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  };

  /** Chooses the rooms whose waveforms this page draws. */
  link.wants = function (rooms) {
    waves = rooms;
    tellWaves();
  };

  function tellWaves() {
    if (waves.join() !== told && link.send({ t: "waves", rooms: waves })) told = waves.join();
  }

  link.start = function () {
    slept();
    const worker = new Worker("/assets/watchdog.worker.js");
    worker.onmessage = pulse;
    setInterval(pulse, 1000); // should the worker not start
    for (const name of ["online", "pageshow"]) window.addEventListener(name, pulse);
    document.addEventListener("visibilitychange", pulse);
    pulse();
  };

  kv.on("hello", (hello) => {
    const mine = document.documentElement.dataset.build;
    if (hello.build === mine || sessionStorage.getItem("kv-reloaded") === hello.build) return;
    sessionStorage.setItem("kv-reloaded", hello.build); // once per build: no loop
    location.reload();
  });
})(window.kv);
