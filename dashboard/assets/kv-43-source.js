/* Which device a number comes from, where a room has several that could give it. */
(function (kv) {
  "use strict";

  const LINKS = { connecting: "connecting", silent: "silent", lost: "link lost" };

  /** Why a device gives no value of a channel, as far as anybody knows. */
  function missing(room, id, channel) {
    const device = room.devices.find((known) => known.id === id);
    if (device && LINKS[device.state]) return LINKS[device.state];
    if (channel.startsWith("nibp")) return ""; // nobody has measured with it: no fault
    const code = Object.keys(kv.NOTICES).find((each) => room.notices.has(id + " " + each));
    return code ? kv.NOTICES[code].toLowerCase() : "no value";
  }

  /** The device of a number and, where a better one should speak and does not, a word about that.

      @param numeric the number as it is shown, or undefined
      @returns {text, instead}: text "" where there is no choice; instead: the better device or "" */
  kv.source = function (room, numeric) {
    const order = (numeric && room.sources[numeric.channel]) || [];
    if (!numeric || !order.includes(numeric.device)) return { text: "", instead: "" };
    const better = order[0] === numeric.device ? "" : order[0];
    const why = better && missing(room, better, numeric.channel);
    if (!why) return { text: numeric.device, instead: "" };
    return { text: "from " + numeric.device + " (" + better + " " + why + ")", instead: better };
  };
})(window.kv);
