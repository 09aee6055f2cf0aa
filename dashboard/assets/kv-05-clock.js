/* The station's time in the page: the newest word of the station, carried on by
   performance.now(). The browser's own wall clock takes no part in any age. */
(function (kv) {
  "use strict";

  // A beat can only arrive late, so the largest offset is the one with the least delay. It is
  // let down slowly, so that a page whose oscillator runs fast does not age the samples.
  const DRIFT = 200e-6;

  let offsetUs = null;
  let speed = 1;
  let heardMs = 0;

  kv.clock = {
    /** The station said "now is nowUs" and this arrived at performance time `atMs`. */
    hear(nowUs, stationSpeed, atMs) {
      if (!nowUs) return;
      if (stationSpeed !== speed) offsetUs = null;
      speed = stationSpeed;
      const heard = nowUs - atMs * 1000 * speed;
      const kept = offsetUs === null ? heard : offsetUs - DRIFT * (atMs - heardMs) * 1000 * speed;
      offsetUs = Math.max(kept, heard);
      heardMs = atMs;
    },
    /** After a sleep, or when the station has another clock: nothing is known any more. */
    reset() {
      offsetUs = null;
    },
    /** Station microseconds, or null while the station has not been heard. */
    nowUs() {
      return offsetUs === null ? null : Math.round(offsetUs + performance.now() * 1000 * speed);
    },
    get speed() {
      return speed;
    },
  };
})(window.kv);
