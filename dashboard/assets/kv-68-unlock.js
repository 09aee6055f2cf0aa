/* Sign in, unlock or switch by PIN, emergency access: whoever acts says who it is. */
(function (kv) {
  "use strict";

  let asking = null; // the form that is open: two acts at once ask once

  function once(form) {
    asking = asking || form().finally(() => (asking = null));
    return asking;
  }

  /** Waits until the server has told this page what has come of it. */
  function told(condition) {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = performance.now() + 8000;
      const look = () => {
        if (condition()) resolve(true);
        else if (performance.now() > end) resolve(false);
        else setTimeout(look, 30);
      };
      look();
    });
  }
  const acting = () => kv.link.live() && ["open", "emergency"].includes(kv.who.state) && !kv.who.signedOut;

  function passwordForm() {
    return kv.form({
      title: kv.who.signedOut ? "Sign in again" : "Sign in",
      text: kv.who.signedOut
        ? "This screen was signed out. What you were doing stays as it is."
        : kv.who.told.no_pin
          ? kv.who.told.no_pin[0].toUpperCase() + kv.who.told.no_pin.slice(1) + "."
          : "The live view goes on meanwhile.",
      fields: [
        { name: "user", label: "User name", value: kv.who.told.user, required: true, maxlength: 80, autocapitalize: "none", autocomplete: "username", "data-names": "ok" },
        { name: "password", label: "Password", type: "password", required: true, maxlength: 256, autocomplete: "current-password" },
      ],
      confirm: "Sign in",
      others: kv.who.locked ? [["Emergency access…", "quiet", emergencyForm]] : [],
      send: async (answer) => {
        const done = await kv.post("/login", answer);
        return done.ok ? "" : done.error;
      },
    });
  }

  function pinForm() {
    const { people, user } = kv.who.told;
    const here = people.some((person) => person.user === user);
    return kv.form({
      title: kv.who.locked ? "Locked: PIN to act" : "Who is acting?",
      text: "The live view and its alarms go on meanwhile.",
      fields: [
        {
          name: "user",
          label: "Person",
          options: people.map((person) => [person.user, person.name + " · " + person.role]),
          value: here ? user : people[0].user,
        },
        { name: "pin", label: "PIN", type: "password", inputmode: "numeric", required: true, maxlength: 8, autocomplete: "off" },
      ],
      confirm: kv.who.locked ? "Unlock" : "Switch",
      others: [
        ...(kv.who.locked ? [["Emergency access…", "quiet", emergencyForm]] : []),
        ["Password…", "quiet", passwordForm],
      ],
      send: async (answer) => {
        const done = await kv.post("/auth/unlock", answer);
        return done.ok ? "" : done.error;
      },
    });
  }

  function emergencyForm() {
    return kv.form({
      title: "Emergency access",
      text: "For 15 minutes anybody at this screen may act as a nurse. It is recorded, and every page shows it.",
      fields: [{ name: "reason", label: "Why is it needed?", required: true, minlength: 3, maxlength: 200 }],
      confirm: "Start emergency access",
      danger: true,
      send: async (answer) => {
        const done = await kv.post("/auth/emergency", answer);
        return done.ok ? "" : done.error;
      },
    });
  }

  /** Lets somebody act here. Resolves to whether somebody may now. */
  kv.unlock = () =>
    once(async () => {
      const form = kv.who.signedOut || kv.who.told.no_pin ? passwordForm : pinForm;
      return (await form()) && (await told(acting));
    });

  kv.signIn = () => once(async () => (await passwordForm()) && told(acting));

  // A disabled button hears nothing; the area around it does.
  document.addEventListener("click", (event) => {
    if (kv.who.locked && event.target.closest("fieldset.acts")) kv.unlock();
  });
})(window.kv);
