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
  const KEPT_MS = 15000; // what was asked for early is used within this
  const early = new Map(); // path -> {answer, atMs}

  const review = (kv.review = { sections: [] });

  review.get = async function (path, options) {
    const response = await fetch(path, { cache: "no-store", ...options });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
    return body;
  };

  /* A table of texts or elements that can be scrolled with the keyboard; with {cards: true} each
     row is a card where the screen is narrow. */
  review.table = function (name, columns, rows, options) {
    const cell = (content, i) => kv.el("td", { "data-label": columns[i] }, content);
    const head = kv.el("tr", {}, ...columns.map((title) => kv.el("th", { scope: "col" }, title)));
    const body = rows.map((cells) => kv.el("tr", {}, ...cells.map(cell)));
    const parts = [kv.el("thead", {}, head), kv.el("tbody", {}, ...body)];
    const looks = "scroll" + (options && options.cards ? " cards" : "");
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
      load(page, argument).then(
        () => status.remove(),
        (error) => kv.text(status, "This cannot be shown: " + error.message),
      );
      const nothing = () => {};
      return { title, waves: [], update: nothing, tick: nothing, rebuild: nothing, unmount: nothing };
    };
  };

  // --- asked for before the page is there ------------------------------------------------------

  const pathOf = (id) => "/api/v1/sessions/" + encodeURIComponent(id);

  function ahead(path) {
    const known = early.get(path);
    if (known && performance.now() - known.atMs < KEPT_MS) return known.answer;
    const answer = review.get(path);
    answer.catch(() => early.delete(path)); // who asks for it is told
    early.set(path, { answer, atMs: performance.now() });
    return answer;
  }

  function taken(path) {
    const answer = ahead(path);
    early.delete(path);
    return answer;
  }

  /** What was asked for early, null for nothing. */
  async function inAdvance(path) {
    const known = early.get(path);
    early.delete(path);
    return known ? known.answer.catch(() => null) : null;
  }

  /* What the page of a session will want, asked for as soon as somebody is on the way to it. */
  review.prefetch = function (id) {
    const nothing = () => {};
    for (const asked of [kv.plotly(), ahead(pathOf(id)), ahead(pathOf(id) + "/figure")]) asked.catch(nothing);
  };

  /** The session of an address, "" for none. */
  function idOf(path) {
    const found = /^\/review\/([\w.~-]+)$/.exec(path || "");
    return found ? found[1] : "";
  }

  if (idOf(location.pathname)) review.prefetch(idOf(location.pathname));
  else if (location.pathname === "/review") kv.plotly().catch(() => {});

  function onTheWay(event) {
    const link = event.target instanceof Element && event.target.closest("a[href^='/review/']");
    const id = link ? idOf(link.getAttribute("href")) : "";
    if (id && (event.type === "pointerdown" || event.key === "Enter")) review.prefetch(id);
  }
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, onTheWay, true);

  // --- the page of one session -----------------------------------------------------------------

  function facts(session) {
    const end = session.ended_us ? review.minute(session.ended_us, session).slice(11) : "still open";
    const words = [review.minute(session.started_us, session) + " – " + end];
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

  kv.views["review-session"] = review.view("Session", async (page, id) => {
    const path = pathOf(id);
    const body = await taken(path);
    if (!page.isConnected) return;
    const session = body.session;
    page.dataset.watermark = session.watermark || "";
    kv.text(page.querySelector("h1"), session.subject_ref + " · " + kv.words.route(session.route));
    const said = kv.el("p", { class: "unseen", role: "status" });
    page.append(kv.el("p", { class: "facts" }, facts(session)), said);
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
        // what was asked for early tells the same moment, unless something was added just then
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
