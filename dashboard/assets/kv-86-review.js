/* Review: what its pages share, and the page of one session, which is made of sections.
   Everything is built by the server's figure process; this only asks for it and shows it.

   A section is {id, title, order, load(place, context)}: `load` fills the place and may be async;
   its error is said in its own place, so that one that fails takes no other with it. The context
   is {id, path, session, body, place(section id), announce(text), ask(part, query), show(us)}:
   `ask` gets a part of this session as it was when the page was read, `show` turns the trend to a
   moment (see `review.jump`). */
(function (kv) {
  "use strict";

  const TOOLS = 8; // sections of a lower order are toolbars

  const { review } = kv;
  const { pathOf, taken, inAdvance } = review.ahead;
  review.sections = [];

  /* A table of texts or elements that can be scrolled with the keyboard. Where the screen is narrow
     each row is a card with {cards: true}; with {compact: n, rest: [text, …]} it stays a line of the
     first n columns, and what else there is to say of it stands behind them in small words. */
  review.table = function (name, columns, rows, options) {
    const { cards, compact, rest } = options || {};
    const kept = compact || columns.length;
    const wide = (i) => (i < kept ? null : "wide");
    const cell = (content, i) => kv.el("td", { "data-label": columns[i], class: wide(i) }, content);
    const more = (n) => (compact ? [kv.el("td", { class: "rest" }, rest[n])] : []);
    const titles = columns.map((title, i) => kv.el("th", { scope: "col", class: wide(i) }, title));
    if (compact) titles.push(kv.el("th", { scope: "col", class: "rest" }, "More"));
    const head = kv.el("tr", {}, ...titles);
    const body = rows.map((cells, n) => kv.el("tr", {}, ...cells.map(cell), ...more(n)));
    const parts = [kv.el("thead", {}, head), kv.el("tbody", {}, ...body)];
    const looks = ["scroll", cards && "cards", compact && "compact"].filter(Boolean).join(" ");
    const scroll = { class: looks, tabindex: 0, role: "group", "aria-label": name };
    return kv.el("div", scroll, kv.el("table", {}, ...parts));
  };

  review.minute = (us, session) => kv.words.moment(us, session.utc_offset_s).slice(0, 16);
  review.second = (us, session) => kv.words.moment(us, session.utc_offset_s).slice(11);

  /* "+38 min" from the dose, "" without one. */
  review.sinceDose = function (us, session) {
    if (session.dose_us === null || us === null) return "";
    const minutes = Math.round((us - session.dose_us) / 60e6);
    return (minutes < 0 ? "−" : "+") + Math.abs(minutes) + " min";
  };

  /* The time of something as a button that turns the trend to it. */
  review.jump = function (us, context, words) {
    const text = words || review.second(us, context.session);
    const onclick = () => context.show(us);
    return kv.el("button", { type: "button", class: "jump", title: "Show in the trend", onclick }, text);
  };

  review.view = function (title, load) {
    return function (container, argument) {
      const page = kv.el("div", { class: "page" });
      const status = kv.el("p", { class: "empty", role: "status" }, "Loading …");
      container.append(page);
      page.append(kv.el("h1", {}, title), status);
      load(page, argument, status).then(
        () => status.remove(),
        (error) => kv.text(status, "This cannot be shown: " + error.message),
      );
      const nothing = () => {};
      return { title, waves: [], update: nothing, tick: nothing, rebuild: nothing, unmount: nothing };
    };
  };

  // --- asked for before the page is there ------------------------------------------------------

  if (review.idOf(location.pathname) || location.pathname === "/review") kv.plotly().catch(() => {});

  function onTheWay(event) {
    const link = event.target instanceof Element && event.target.closest("a[href^='/review/']");
    const id = link ? review.idOf(link.getAttribute("href")) : "";
    if (id && (event.type === "pointerdown" || event.key === "Enter")) {
      kv.plotly().catch(() => {});
      review.prefetch(id);
    }
  }
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, onTheWay, true);

  // --- the page of one session -----------------------------------------------------------------

  function lasted(us) {
    const minutes = Math.floor(us / 60e6);
    const rest = String(minutes % 60).padStart(2, "0");
    return minutes < 60 ? minutes + " min" : Math.floor(minutes / 60) + " h " + rest + " min";
  }

  function facts(session) {
    const end = session.ended_us ? review.minute(session.ended_us, session).slice(11) : "still open";
    const words = [review.minute(session.started_us, session) + " – " + end];
    if (session.ended_us) words.push(lasted(session.ended_us - session.started_us));
    if (session.mode !== "real") words.unshift(session.mode.toUpperCase());
    words.push(...[session.site, session.clinic].filter(Boolean), session.room_label || session.room);
    if (session.resumed) words.push("station restarted " + session.resumed + " × (gaps are shown as gaps)");
    return words.join(" · ");
  }

  /** What a reader of an open session must know; null for a closed one. */
  function unfinished(session) {
    if (session.ended_us !== null) return null;
    const to = review.second(session.recorded_to_us, session);
    const again = kv.el("button", { type: "button", onclick: () => location.reload() }, "Read again");
    return kv.el("p", { class: "still-open" }, "Not closed. This page shows what was recorded until " + to + ". ", again);
  }

  /** Said on paper only: what every report says. */
  function imprint(body) {
    const said = [body.disclaimer, "Session " + body.session.id, body.software, "Audit head " + body.head];
    return kv.el("p", { class: "on-paper imprint" }, said.filter(Boolean).join(" · "));
  }

  async function fill(section, place, context) {
    const status = kv.el("p", { class: "empty", role: "status" }, "Loading …");
    place.append(status);
    try {
      await section.load(place, context);
      status.remove();
    } catch (error) {
      kv.text(status, "This cannot be shown: " + error.message);
    }
  }

  function placeFor(section) {
    const place = kv.el("section", { class: "review-section", "data-section": section.id });
    if (section.title) {
      const heading = "review-" + section.id;
      place.setAttribute("aria-labelledby", heading);
      place.append(kv.el("h2", { id: heading }, section.title));
    }
    return place;
  }

  kv.views["review-session"] = review.view("Session", async (page, id, status) => {
    const path = pathOf(id);
    const body = await taken(path);
    if (!page.isConnected) return;
    status.remove(); // each section says by itself that it is still loading
    const session = body.session;
    page.dataset.watermark = session.watermark || "";
    kv.text(page.querySelector("h1"), session.subject_ref + " · " + kv.words.route(session.route));
    const said = kv.el("p", { class: "unseen", role: "status" });
    const head = kv.el("div", { class: "review-head" }, page.querySelector("h1"));
    head.append(kv.el("p", { class: "facts" }, facts(session)));
    page.append(head, said);
    const open = unfinished(session);
    if (open) page.append(open);
    for (const sentence of body.unreadable || []) {
      page.append(kv.el("p", { class: "unreadable", role: "alert" }, sentence));
    }
    page.append(imprint(body));
    const places = new Map();
    const context = {
      id,
      path,
      session,
      body,
      place: (section) => places.get(section),
      announce: (text) => kv.text(said, text),
      async ask(part, query) {
        const known = query ? null : await inAdvance(path + part);
        if (known && known.stamp === body.stamp) return known;
        return review.get(path + part + "?" + new URLSearchParams({ ...query, stamp: body.stamp }));
      },
      show() {}, // the trend puts its own here
    };
    const ordered = [...review.sections].sort((a, b) => a.order - b.order);
    const tools = kv.el("div", { class: "review-tools" }); // toolbars stand beside each other
    page.append(tools);
    for (const section of ordered) {
      places.set(section.id, placeFor(section));
      (section.order < TOOLS ? tools : page).append(places.get(section.id));
    }
    await Promise.all(ordered.map((section) => fill(section, places.get(section.id), context)));
  });
})(window.kv);
