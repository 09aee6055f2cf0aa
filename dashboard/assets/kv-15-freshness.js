/* How old a number may be: judged by the station's clock on the sample, never by arrival. */
(function (kv) {
  "use strict";

  /** What may be shown of a sample now.

      @param numeric the newest numeric message of a channel, or undefined
      @param nowUs   station time, null when it is not known
      @param live    whether station and server are heard; without them nothing is fresh
      @returns {state, text, ageS}: state fresh, stale or none; ageS null when there is no sample */
  kv.judge = function (numeric, nowUs, live) {
    if (!numeric || nowUs === null) return { state: "none", text: kv.NONE, ageS: null };
    const ageS = Math.max(0, (nowUs - numeric.at_us) / kv.US);
    const gone = numeric.gone_s !== null && ageS > numeric.gone_s;
    if (numeric.value === null || numeric.quality === "invalid" || gone)
      return { state: "none", text: kv.NONE, ageS };
    const state = live && ageS <= numeric.fresh_s ? "fresh" : "stale";
    return { state, text: kv.words.value(numeric.channel, numeric.value), ageS };
  };

  /** The sample of a channel that is to be shown: the stream's as long as it speaks; what a person
      has entered since then where it does not. */
  kv.numeric = function (room, channel, nowUs, live) {
    const streamed = room.numerics[channel];
    const entered = room.entered[channel];
    if (!entered || entered.value === null) return streamed;
    if (!streamed) return entered;
    if (streamed.gone_s === null) return entered.at_us >= streamed.at_us ? entered : streamed; // a spot device
    const speaks = kv.judge(streamed, nowUs, live).state !== "none";
    return speaks || entered.at_us < streamed.at_us ? streamed : entered;
  };

  /** Which of HR and PR a room shows: HR where there is one, else PR. */
  kv.pulseChannel = function (room, nowUs, live) {
    const state = (channel) => kv.judge(kv.numeric(room, channel, nowUs, live), nowUs, live).state;
    if (state("hr") !== "none") return "hr";
    if (state("pr") !== "none") return "pr";
    if (room.numerics.hr || room.numerics.pr) return room.numerics.hr ? "hr" : "pr";
    return room.devices.some((device) => device.channels.includes("hr")) ? "hr" : "pr";
  };
})(window.kv);
