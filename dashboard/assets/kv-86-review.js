/* Review: what its pages share, and the page of one session, which is made of sections.
   Everything is built by the server's figure process; this only asks for it and shows it.

   A section is {id, title, order, load(place, context)}: `load` fills the place and may be async;
   its error is said in its own place, so that one that fails takes no other with it. The context
   is {id, path, session, body, place(section id), announce(text)}. */
(function (kv) {
  "use strict";

  const review = (kv.review = { sections: [] });

  review.get = async function (path, options) {
    const response = await fetch(path, { cache: "no-store", ...options });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
    return body;
  };

  /* A table of texts or elements that can be scrolled with the keyboard. */
  review.table = function (name, columns, rows) {
    const head = kv.el("tr", {}, ...columns.map((title) => kv.el("th", { scope: "col" }, title)));
    const body = rows.map((cells) => kv.el("tr", {}, ...cells.map((cell) => kv.el("td", {}, cell))));
    const parts = [kv.el("thead", {}, head), kv.el("tbody", {}, ...body)];
    const scroll = { class: "scroll", tabindex: 0, role: "group", "aria-label": name };
    return kv.el("div", scroll, kv.el("table", {}, ...parts));
  };

  review.minute = (us, session) => kv.words.moment(us, session.utc_offset_s).slice(0, 16);
  review.second = (us, session) => kv.words.moment(us, session.utc_offset_s).slice(11);

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

  function facts(session) {
    const end = session.ended_us ? review.minute(session.ended_us, session).slice(11) : "still open";
    const words = [review.minute(session.started_us, session) + " – " + end];
    if (session.mode !== "real") words.unshift(session.mode.toUpperCase());
    words.push(session.room);
    if (session.resumed) words.push("station restarted " + session.resumed + " × (gaps are shown as gaps)");
    return words.join(" · ");
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

  kv.views["review-session"] = review.view("Session", async (page, id) => {
    const path = "/api/v1/sessions/" + encodeURIComponent(id);
    const body = await review.get(path);
    if (!page.isConnected) return;
    const session = body.session;
    kv.text(page.querySelector("h1"), session.subject_ref + " · " + kv.words.route(session.route));
    const said = kv.el("p", { class: "visually-hidden", role: "status" });
    page.append(kv.el("p", { class: "facts" }, facts(session)), said);
    for (const sentence of body.unreadable || []) {
      page.append(kv.el("p", { class: "unreadable", role: "alert" }, sentence));
    }
    const places = new Map();
    const context = {
      id,
      path,
      session,
      body,
      place: (section) => places.get(section),
      announce: (text) => kv.text(said, text),
    };
    const ordered = [...review.sections].sort((a, b) => a.order - b.order);
    for (const section of ordered) {
      const place = kv.el("section", { class: "review-section", "data-section": section.id });
      if (section.title) {
        const heading = "review-" + section.id;
        place.setAttribute("aria-labelledby", heading);
        place.append(kv.el("h2", { id: heading }, section.title));
      }
      places.set(section.id, place);
      page.append(place);
    }
    await Promise.all(ordered.map((section) => fill(section, places.get(section.id), context)));
  });
})(window.kv);
