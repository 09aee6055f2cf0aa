/* In the bar: who is at the screen, lock, switch, sign out. Below it: emergency access, and that
   somebody must sign in again. */
(function (kv) {
  "use strict";

  /** @returns {nodes, update()} for the bar */
  kv.personChips = function () {
    const free = kv.el("span", { class: "chip chip-free" }, "No accounts: anyone at this computer may act");
    const person = kv.el("button", { type: "button", class: "chip chip-person", onclick: menu });
    const lock = kv.el("button", { type: "button", class: "chip chip-lock", onclick: lockNow }, "Lock");
    const locked = kv.el("button", { type: "button", class: "chip chip-locked", onclick: () => kv.unlock() }, "Locked: PIN to act");
    const again = kv.el("button", { type: "button", class: "chip chip-locked", onclick: () => kv.signIn() }, "Sign in again");

    function lockNow() {
      kv.post("/auth/lock", {});
    }
    async function menu() {
      const { name, role } = kv.who.told;
      const answer = await kv.ask({
        title: name,
        text: "Role: " + role + ". What is done here stands in the record under this name.",
        choices: [
          ["switch", "Somebody else takes over"],
          ["lock", "Lock this screen"],
          ["out", "Sign out (the live view ends here)"],
        ],
      });
      if (!answer) return;
      if (answer.choice === "switch") kv.unlock();
      if (answer.choice === "lock") lockNow();
      if (answer.choice === "out" && (await kv.post("/auth/logout", {})).ok) location.assign("/login");
    }

    function update() {
      const { state, told, signedOut } = kv.who;
      kv.show(free, state === "free" && Boolean(kv.model.hello) && !signedOut);
      kv.text(free, "No accounts: anyone at this computer may " + (kv.central.here ? "look" : "act"));
      kv.show(person, (state === "open" || state === "emergency") && !signedOut);
      kv.text(person, told.name + (told.role ? " · " + told.role : ""));
      kv.attr(person, "data-state", state);
      kv.show(lock, state === "open" && !signedOut);
      kv.show(locked, state === "locked" && !signedOut);
      kv.show(again, signedOut);
    }
    return { nodes: [free, person, lock, locked, again], update };
  };

  /** @returns {nodes, update()} for the banners */
  kv.personBanners = function () {
    const text = kv.el("span");
    const end = kv.el("button", { type: "button", onclick: () => kv.post("/auth/lock", {}) }, "End it");
    const emergency = kv.el("div", { class: "banner banner-emergency", role: "alert", hidden: true }, text, end);
    const sign = kv.el("button", { type: "button", onclick: () => kv.signIn() }, "Sign in again");
    const words = kv.el("span", {}, "Signed out: nothing is shown or heard here. Nothing that you have typed is lost.");
    const out = kv.el("div", { class: "banner banner-out", role: "alert", hidden: true }, words, sign);

    function update() {
      const running = kv.who.emergencies();
      const here = running.find((each) => each.here);
      const shown = here || running[0];
      kv.show(emergency, Boolean(shown));
      kv.show(end, Boolean(here));
      if (shown) {
        const where = here ? "EMERGENCY ACCESS at this screen" : "EMERGENCY ACCESS at another screen";
        const more = running.length > 1 ? " (and " + (running.length - 1) + " more)" : "";
        kv.text(text, where + more + ", " + kv.words.clock(shown.leftS) + " left: “" + shown.reason + "” (" + shown.name + ")");
      }
      kv.show(out, kv.who.signedOut);
    }
    return { nodes: [emergency, out], update };
  };
})(window.kv);
