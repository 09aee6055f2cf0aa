/* Review of one session: what was added when it was closed, and whether all of it is as recorded. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const { addendumForm, signatureForm, folded } = review.addendaForms;
  const SEEN_MARGIN = "200px";
  let current = null; // the section that is on the page

  // --- what there is -------------------------------------------------------------------------------

  function known(one) {
    if (one.authenticated) return "";
    return one.identity === "emergency" ? "emergency access" : "name not authenticated";
  }

  function about(one, context) {
    const parts = [];
    if (one.about_us !== null) {
      const { session } = context;
      const words = review.minute(one.about_us, session);
      const within = one.about_us >= session.started_us && one.about_us <= session.ended_us;
      parts.push("About ", within ? review.jump(one.about_us, context, words) : words, ". ");
    }
    if (one.corrects !== null) {
      const words = one.corrected ? ": “" + kv.words.short(one.corrected, 120) + "”" : "";
      parts.push("Corrects row " + one.corrects + " of the audit trail" + words + ".");
    }
    return parts.length ? kv.el("p", { class: "added-about" }, ...parts) : null;
  }

  function addition(one, context) {
    const signed = one.kind === "signature";
    const who = [one.actor, one.role && "(" + one.role + ")", known(one) && "· " + known(one)];
    const head = kv.el(
      "p",
      { class: "added-head" },
      kv.el("b", {}, signed ? "Signed" : "Addendum"),
      " " + review.minute(one.at_us, context.session) + " · " + who.filter(Boolean).join(" "),
    );
    const late = one.outdated ? kv.el("p", { class: "added-late" }, "Signed before the last addendum.") : null;
    const comment = one.comment ? kv.el("p", { class: "added-text" }, one.comment) : null;
    const text = kv.el("p", { class: "added-text" }, one.text);
    const facts = { class: "added", "data-kind": one.kind, "data-n": one.n, tabindex: -1 };
    return kv.el("li", facts, head, about(one, context), text, comment, late);
  }

  // --- whether it is what was recorded -------------------------------------------------------------

  function checker(context) {
    const words = kv.el("span", { role: "status" });
    const button = kv.el("button", { type: "button" }, "Check now");
    const node = kv.el("p", { class: "added-check" }, words, " ", button);
    let running = false;

    function say(state, text) {
      node.dataset.state = state;
      kv.text(words, text);
    }

    async function run() {
      if (running) return;
      running = true;
      button.disabled = true;
      say("running", "Checking whether anything was changed …");
      let place = { seals: 0, row: 0 };
      try {
        while (place && node.isConnected) {
          const asked = new URLSearchParams({ ...place, ...(node.dataset.to ? { to_n: node.dataset.to } : {}) });
          const found = await review.get(context.path + "/intact?" + asked);
          place = found.next;
          if (found.broken) say("broken", "THIS RECORD IS NOT AS IT WAS RECORDED: " + found.broken + ".");
          else if (place) say("running", "Checking whether anything was changed … " + Math.floor(100 * found.share) + " %");
          else say("whole", "Nothing was changed: samples, summary and audit trail up to row " + found.to_n + " are as recorded.");
        }
      } catch (error) {
        say("unknown", "This cannot be checked now: " + error.message + ".");
      }
      running = false;
      button.disabled = false;
    }

    button.addEventListener("click", run);
    /** Checks by itself as soon as it is seen, where somebody has signed. */
    function watch() {
      const observer = new IntersectionObserver(
        (seen) => {
          if (!seen.some((each) => each.isIntersecting)) return;
          observer.disconnect();
          run();
        },
        { rootMargin: SEEN_MARGIN },
      );
      observer.observe(node);
    }

    let watched = false;
    return {
      node,
      /** @param to row up to which it is checked, 0 = the session's last */
      update(to) {
        kv.attr(node, "data-to", to || null);
        if (node.dataset.state) return;
        say("", to ? "Up to the last signature:" : "Whether this record is as it was recorded:");
        if (to && !watched) watch();
        watched = watched || Boolean(to);
      },
    };
  }

  // --- the section ---------------------------------------------------------------------------------

  async function load(place, context) {
    const get = () => review.get(context.path + "/addenda");
    let told = await get();
    const list = kv.el("ol", { class: "added-list" });
    const none = kv.el("p", { class: "added-none" }, "Nothing was added, and nobody has signed.");
    const check = checker(context);
    place.append(list, none, check.node);

    function show() {
      list.replaceChildren(...told.additions.map((one) => addition(one, context)));
      kv.show(none, !told.additions.length);
      check.update(told.signed_n);
    }
    async function done(recorded) {
      told = await get();
      show();
      if (recorded && list.lastElementChild) list.lastElementChild.focus();
    }
    show();
    if (context.session.site !== undefined) {
      place.append(kv.el("p", { class: "added-refused" }, "At the centre nothing is added: addenda and signatures are written at the station."));
      return;
    }
    if (!told.closed) {
      const room = "/room/" + encodeURIComponent(context.session.room);
      const link = kv.el("a", { href: room, onclick: (event) => kv.follow(event) }, "make a note in the room instead");
      place.append(kv.el("p", { class: "added-open" }, "This session is not closed yet: ", link, "."));
      return;
    }
    const adding = addendumForm(context, told, done);
    const signing = signatureForm(context, told, done, () => told.last_n);
    const add = folded("Write an addendum …", adding.form, "addendum");
    const sign = folded("Sign this record …", signing.form, "sign_record");
    const refused = kv.el("p", { class: "added-refused" });
    place.append(kv.el("div", { class: "added-acts" }, add.node, sign.node), refused);
    current = {
      update() {
        const mayAdd = kv.who.may("addendum");
        const maySign = !kv.who.accounts || kv.who.may("sign_record");
        kv.show(add.node, mayAdd);
        kv.show(sign.node, maySign);
        kv.text(refused, mayAdd ? "" : "Your role may read this record and add nothing to it.");
        adding.update();
        signing.update();
      },
      correct(n) {
        add.open(true);
        if (![...adding.which.options].some((each) => each.value === String(n))) {
          adding.which.append(kv.el("option", { value: n }, "row " + n));
        }
        adding.which.value = String(n);
        adding.text.scrollIntoView({ block: "center" });
        adding.text.focus();
      },
    };
    current.update();
  }

  /** Opens the form for an addendum that corrects a row of the audit trail. */
  review.correct = (n) => current && current.correct(n);
  kv.on("who", () => current && current.update());

  review.sections.push({ id: "addenda", title: "Addenda and signatures", order: 80, load });
})(window.kv);
