/* Review: the table of sessions, and one session's figure and events. Everything is built by the
   server's figure process; this only asks for it and shows it. */
(function (kv) {
  "use strict";

  const SESSIONS = ["Pseudonym", "Mode", "Room", "Route", "Opened", "Closed", "Dose", "Restarts"];
  const EVENTS = ["Time", "What", "Detail", "Who"];
  const CONFIG = { displaylogo: false, responsive: true };

  async function get(path) {
    const response = await fetch(path, { cache: "no-store" });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
    return body;
  }

  function table(columns, rows) {
    const head = kv.el("tr", {}, ...columns.map((name) => kv.el("th", { scope: "col" }, name)));
    const body = rows.map((cells) => kv.el("tr", {}, ...cells.map((cell) => kv.el("td", {}, cell))));
    const parts = [kv.el("thead", {}, head), kv.el("tbody", {}, ...body)];
    return kv.el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "table" }, kv.el("table", {}, ...parts));
  }

  const minute = (us, session) => kv.words.moment(us, session.utc_offset_s).slice(0, 16);
  const second = (us, session) => kv.words.moment(us, session.utc_offset_s).slice(11);

  function view(title, load) {
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
  }

  function row(session) {
    const onclick = (event) => kv.follow(event);
    const link = kv.el("a", { href: "/review/" + session.id, onclick }, session.subject_ref);
    return [
      link,
      session.mode === "real" ? "" : session.mode.toUpperCase(),
      session.room,
      kv.words.route(session.route),
      minute(session.started_us, session),
      minute(session.ended_us, session),
      minute(session.dose_us, session).slice(11) || "–",
      String(session.resumed),
    ];
  }

  function facts(session) {
    const words = [minute(session.started_us, session) + " – " + minute(session.ended_us, session).slice(11)];
    if (session.mode !== "real") words.unshift(session.mode.toUpperCase());
    words.push(session.room);
    if (session.resumed) words.push("station restarted " + session.resumed + " × (gaps are shown as gaps)");
    return words.join(" · ");
  }

  kv.views.review = view("Sessions", async (page) => {
    const { sessions } = await get("/api/v1/sessions");
    if (sessions.length) page.append(table(SESSIONS, sessions.map(row)));
    else page.append(kv.el("p", { class: "empty" }, "No session has been recorded yet."));
  });

  kv.views["review-session"] = view("Session", async (page, id) => {
    const path = "/api/v1/sessions/" + encodeURIComponent(id);
    const { session, audit, audit_total: total } = await get(path);
    kv.text(page.querySelector("h1"), session.subject_ref + " · " + kv.words.route(session.route));
    const plot = kv.el("div", { class: "review-plot" });
    page.append(kv.el("p", { class: "facts" }, facts(session)), plot);
    const [plotly, figure] = await Promise.all([kv.plotly(), get(path + "/figure")]);
    if (!page.isConnected) return;
    plotly.newPlot(plot, figure.data, figure.layout, CONFIG);
    const rows = audit.map((each) => [
      second(each.at_us, session),
      each.kind.replaceAll("_", " "),
      each.text,
      each.actor,
    ]);
    page.append(kv.el("h2", {}, "Alarms and events"), table(EVENTS, rows));
    if (total > audit.length) {
      const words = "The first " + audit.length + " of " + total + " rows are shown.";
      page.append(kv.el("p", { class: "empty" }, words));
    }
  });
})(window.kv);
