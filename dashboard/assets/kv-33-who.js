/* Who is at this page, as the server says: a person, a locked screen, emergency access, or
   anybody where there are no accounts. The page only shows it; server and station decide. */
(function (kv) {
  "use strict";

  const ACTIVE_MS = 5000; // the server hears of touches no oftener
  const CHECK_MS = 2000;

  const NOBODY = { state: "free", user: "", name: "", role: "", may: [], no_pin: "", people: [], emergencies: [] };
  let told = NOBODY;
  let toldMs = 0;
  let activeMs = -ACTIVE_MS;
  let checkMs = -CHECK_MS;

  kv.who = {
    /** "free" (no accounts), "open", "locked" or "emergency". */
    get state() {
      return told.state;
    },
    /** Whether the server no longer knows this browser: somebody must sign in again. */
    signedOut: false,
    get accounts() {
      return told.state !== "free";
    },
    get locked() {
      return told.state === "locked";
    },
    get told() {
      return told;
    },
    get name() {
      return kv.who.accounts ? told.name : localStorage.getItem("kv-who") || "nurse";
    },
    /** The name that somebody without an account gives. */
    set name(value) {
      localStorage.setItem("kv-who", value.trim().slice(0, 40));
    },
    /** Whether a name in the record is this page's person; "nurse" is what nobody has chosen. */
    is: (name) => Boolean(name) && name !== "nurse" && name === kv.who.name,
    /** Whether this person's role may give a command; the station decides again. */
    may: (kind) => !told.may.length || told.may.includes(kind),
    /** Emergency access anywhere: [{name, reason, leftS, here}]. */
    emergencies() {
      const passedS = (performance.now() - toldMs) / 1000;
      return told.emergencies.map(({ left_s, ...rest }) => ({ ...rest, leftS: Math.max(0, left_s - passedS) }));
    },
  };

  /** A part of the page whose buttons do something: locked with the screen. */
  kv.actArea = function (attributes, ...children) {
    const area = kv.el("fieldset", { ...attributes, class: (attributes.class || "") + " acts" }, ...children);
    area.disabled = kv.who.locked;
    return area;
  };

  function lockAreas() {
    const locked = kv.who.locked;
    for (const area of document.querySelectorAll("fieldset.acts")) {
      if (area.disabled !== locked) area.disabled = locked;
      kv.attr(area, "title", locked ? "Locked: PIN to act" : null);
    }
  }

  function take(who) {
    told = who;
    toldMs = performance.now();
    kv.who.signedOut = false;
    kv.attr(document.body, "data-who", who.state);
    lockAreas();
    kv.emit("who", who);
  }

  function cookie(name) {
    const found = document.cookie.split("; ").find((each) => each.startsWith(name + "="));
    return found ? found.slice(name.length + 1) : "";
  }

  /** Sends a form. Resolves to {ok, status, error}; never rejects. */
  kv.post = async function (path, fields) {
    const headers = {
      "Content-Type": "application/x-www-form-urlencoded",
      Accept: "application/json",
      "X-CSRFToken": cookie(document.documentElement.dataset.csrf),
    };
    try {
      const body = new URLSearchParams(fields).toString();
      const answer = await fetch(path, { method: "POST", headers, body });
      const said = await answer.json().catch(() => ({}));
      return { ok: answer.ok, status: answer.status, error: said.error || "the server refused this" };
    } catch {
      return { ok: false, status: 0, error: "the server does not answer; try again" };
    }
  };

  /** Asks whether the server still knows this browser, when its socket says nothing any more. */
  async function check() {
    if (performance.now() - checkMs < CHECK_MS) return;
    checkMs = performance.now();
    let out = kv.who.signedOut;
    try {
      const answer = await fetch("/auth/who", { headers: { Accept: "application/json" } });
      out = answer.status === 401;
      await answer.text(); // read to its end, or the browser holds the connection
    } catch {
      return; // the server is away: that is another banner's affair
    }
    if (out === kv.who.signedOut || (out && kv.link.live())) return;
    kv.who.signedOut = out;
    kv.attr(document.body, "data-who", out ? "signed-out" : told.state);
    kv.emit("who", told);
  }

  function active() {
    const now = performance.now();
    if (!kv.who.accounts || now - activeMs < ACTIVE_MS) return;
    if (kv.link.send({ t: "active" })) activeMs = now;
  }

  kv.on("frame", (messages) => messages.filter((message) => message.t === "who").forEach(take));
  for (const moment of ["frame", "tick"]) kv.on(moment, () => kv.who.locked && lockAreas());
  kv.on("closed", check);
  kv.on("tick", () => kv.link.state === "lost" && check());
  for (const touch of ["pointerdown", "keydown", "wheel"])
    window.addEventListener(touch, active, { capture: true, passive: true });
})(window.kv);
