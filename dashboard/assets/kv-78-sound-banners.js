/* Banners about what cannot be heard or was not seen: arming the sound, and a page that was hidden. */
(function (kv) {
  "use strict";

  const WORDS = {
    blocked: "Sound is blocked by the browser: no alarm is heard here.",
    unarmed: "Sound is not armed: nobody has heard it here yet.",
    asking: "Did you hear three rising tones?",
    failed: "Not heard: check loudspeaker, volume and cable, then try again.",
  };
  const WATCHED = ["overview", "room"]; // pages that somebody relies on; elsewhere the chip says it

  /** Button → test tone → "I heard it". The chip starts it too, to try the sound again.
      @returns {node, update(state)} */
  kv.armingBanner = function (chip) {
    const text = kv.el("span", { role: "status" });
    const button = (label, onclick) => kv.el("button", { type: "button", onclick }, label);
    const arm = button("Arm sound", start);
    const heard = button("I heard it", () => end(true));
    const again = button("Play again", () => kv.sound.test());
    const not = button("Not heard", () => end(false));
    const node = kv.el("div", { class: "banner banner-sound", hidden: true }, text, arm, heard, again, not);
    let asking = false;
    let failed = false;

    async function start() {
      await kv.sound.unblock();
      kv.sound.test();
      asking = true;
      update(kv.arming.state());
      heard.focus();
    }
    function end(yes) {
      asking = false;
      failed = !yes;
      kv.arming.confirm(yes);
      update(kv.arming.state());
      (yes ? chip : arm).focus();
    }

    function update(state) {
      if (state === "blocked" || state === "off") asking = false;
      if (state === "on" || state === "paused") failed = false;
      const missing = (state === "blocked" || state === "unarmed") && WATCHED.includes(document.body.dataset.page);
      const step = asking ? "asking" : failed && state === "unarmed" ? "failed" : state;
      kv.text(text, WORDS[step] || "");
      for (const each of [heard, again, not]) kv.show(each, asking);
      kv.show(arm, !asking);
      kv.show(node, asking || missing);
    }
    chip.addEventListener("click", start);
    return { node, update };
  };

  const NOTICED_MS = 2000;

  /** Says for how long the page was hidden, once it is shown again; its title says it meanwhile. */
  kv.hiddenBanner = function () {
    const text = kv.el("span", {});
    const seen = kv.el("button", { type: "button", onclick: () => kv.show(node, false) }, "OK");
    const node = kv.el("div", { class: "banner banner-hidden", role: "alert", hidden: true }, text, seen);
    let sinceMs = document.hidden ? performance.now() : null;
    let mute = false;

    function update() {
      if (document.hidden) {
        if (sinceMs === null) sinceMs = performance.now();
        mute = mute || !kv.sound.running();
        return;
      }
      if (sinceMs === null) return;
      const forMs = performance.now() - sinceMs;
      const sound = mute ? " and could not be heard" : "";
      sinceMs = null;
      mute = false;
      if (forMs < NOTICED_MS || document.body.dataset.page === "quiet") return;
      kv.text(text, "This page was hidden for " + kv.words.age(forMs / 1000) + ": nobody saw it" + sound + ".");
      kv.show(node, true);
    }
    return { node, update };
  };
})(window.kv);
