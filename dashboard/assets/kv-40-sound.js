/* Alarm sounds: pulse patterns with values of IEC 60601-1-8, made with WebAudio. A browser plays
   nothing before the first click or key. */
(function (kv) {
  "use strict";

  // start of each pulse (s), length of a pulse, pause between patterns, pitch (Hz)
  const PATTERNS = {
    high: { starts: [0, 0.22, 0.44, 0.8, 1.02, 1.9, 2.12, 2.34, 2.7, 2.92], lengthS: 0.13, everyS: 5, hz: 523.25 },
    medium: { starts: [0, 0.4, 0.8], lengthS: 0.2, everyS: 10, hz: 392 },
  };
  // as loud as an alarm, and like none: three long tones, rising
  const TEST = { starts: [0, 0.5, 1], lengthS: 0.35, hz: [330, 415, 523.25] };
  const STILL_MS = 2000; // a context that claims to run and has not moved for so long plays nothing
  const PARTIALS = [0, 1, 0.7, 0.5, 0.35, 0.2, 0.1]; // four and more harmonics within 300-4000 Hz

  let context = null;
  let wave = null;
  let playing = null; // {priority, gain}
  let nextAt = 0;
  let enabled = true; // false on the quiet page
  let lossSilenced = false; // the page's own alarm, for the present loss
  let movedTo = -1; // the context's own time when it was last looked at
  let stillSinceMs = null;

  function open() {
    if (!window.AudioContext) return;
    context = new AudioContext();
    wave = context.createPeriodicWave(new Float32Array(PARTIALS.length), Float32Array.from(PARTIALS));
    context.onstatechange = () => kv.emit("sound");
  }

  function pulse(pattern, hz, at, gain) {
    const tone = context.createOscillator();
    const envelope = context.createGain();
    const rise = pattern.lengthS * 0.15; // 10-20 % of the pulse
    tone.setPeriodicWave(wave);
    tone.frequency.value = hz;
    envelope.gain.setValueAtTime(0, at);
    envelope.gain.linearRampToValueAtTime(0.4, at + rise);
    envelope.gain.setValueAtTime(0.4, at + pattern.lengthS - rise);
    envelope.gain.linearRampToValueAtTime(0, at + pattern.lengthS);
    tone.connect(envelope).connect(gain);
    tone.start(at);
    tone.stop(at + pattern.lengthS);
  }

  function play(priority) {
    const pattern = PATTERNS[priority];
    const gain = context.createGain();
    gain.connect(context.destination);
    const at = context.currentTime + 0.02;
    pattern.starts.forEach((start) => pulse(pattern, pattern.hz, at + start, gain));
    playing = { priority, gain };
    nextAt = at + pattern.everyS;
  }

  function hush() {
    if (!playing) return;
    playing.gain.disconnect();
    playing = null;
    nextAt = 0;
  }

  /** What must be heard now: "high", "medium" or null. */
  function wanted() {
    if (!kv.sound.enabled) return null;
    if (kv.pageAlarm()) return lossSilenced ? null : "high";
    let worst = null;
    for (const room of kv.model.rooms.values())
      for (const alarm of room.alarms.values())
        if (heardHere(alarm) && kv.rank(alarm.priority) > kv.rank(worst)) worst = alarm.priority;
    return worst;
  }

  /** What a person has entered need not be called out to that person. */
  function heardHere(alarm) {
    return alarm.sounding && Boolean(PATTERNS[alarm.priority]) && !kv.who.is(alarm.entered_by);
  }

  /** Whether the context's time moves: without a working output some browsers only claim to play. */
  function look() {
    if (!context) return;
    if (context.currentTime !== movedTo || context.state !== "running") stillSinceMs = null;
    else if (stillSinceMs === null) stillSinceMs = performance.now();
    movedTo = context.currentTime;
  }

  // Driven by messages as well as by ticks: a hidden tab has few ticks of its own.
  function step() {
    if (kv.link.live()) lossSilenced = false;
    const priority = wanted();
    kv.attr(document.body, "data-sounding", priority);
    if (!context || context.state !== "running") return;
    if (!priority) return hush();
    if (playing && playing.priority !== priority) hush();
    if (context.currentTime >= nextAt) play(priority);
  }

  /** Whether the page itself alarms: it has heard nothing of the station for 4 s. */
  kv.pageAlarm = () => !kv.link.live() && kv.link.silentS() >= 4;

  kv.sound = {
    /** Whether the browser lets the page be heard now. */
    running() {
      const still = stillSinceMs !== null && performance.now() - stillSinceMs > STILL_MS;
      return Boolean(context) && context.state === "running" && !still;
    },
    /** Call from a click or key press: the browser allows sound only then. */
    async unblock() {
      if (context) await context.resume();
    },
    /** Plays the test tone once, without touching an alarm that sounds. */
    test() {
      if (!context) return;
      const at = context.currentTime + 0.05;
      TEST.starts.forEach((start, i) => pulse(TEST, TEST.hz[i], at + start, context.destination));
    },
    /** Silent for good on the screen inside the room. */
    enable(on) {
      enabled = on;
      step();
    },
    /** The centre informs; alarms sound at their station. */
    get enabled() {
      return enabled && !kv.central.here;
    },
    /** Ends the page's own alarm about a lost connection, for this loss only. */
    silenceLoss() {
      lossSilenced = true;
      step();
    },
  };

  open(); // running at once where a kiosk allows it, else suspended until a gesture
  // Not on pointerdown: the banner would go, the page move up, and the click miss its target.
  for (const gesture of ["click", "keydown"])
    document.addEventListener(gesture, () => kv.sound.running() || kv.sound.unblock(), { capture: true });
  kv.on("frame", step);
  kv.on("tick", () => {
    look();
    step();
  });
})(window.kv);
