/* Review: the table of sessions, and one session's figure and events. Everything is built by the
   server's figure process; this only asks for it and shows it. */
(function (kv) {
  "use strict";

  async function get(path) {
    const response = await fetch(path, { cache: "no-store" });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
    return body;
  }

  function table(columns, rows) {
    const head = kv.el("tr", {}, ...columns.map((name) => kv.el("th", { scope: "col" }, name)));
    const body = rows.map((cells) => kv.el("tr", {}, ...cells.map((cell) => kv.el("td", {}, cell))));
    return kv.el("div", { class: "scroll" }, kv.el("table", {}, kv.el("thead", {}, head), kv.el("tbody", {}, ...body)));
  }

  function day(us) {
    if (us === null) return "–";
    const at = new Date(us / 1000);
    const two = (n) => String(n).padStart(2, "0");
    return at.getFullYear() + "-" + two(at.getMonth() + 1) + "-" + two(at.getDate()) + " " + kv.words.time(us);
  }

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

  kv.views.review = view("Sessions", async (page) => {
    const { sessions } = await get("/api/v1/sessions");
    if (!sessions.length) return page.append(kv.el("p", { class: "empty" }, "No session has been recorded yet."));
    const rows = sessions.map((each) => {
      const link = kv.el("a", { href: "/review/" + each.id }, each.subject_ref);
      link.addEventListener("click", kv.follow);
      return [link, each.mode === "real" ? "" : each.mode.toUpperCase(), each.room, kv.words.route(each.route), day(each.started_us), day(each.ended_us), each.dose_us === null ? "–" : kv.words.time(each.dose_us), String(each.resumed)];
    });
    page.append(table(["Pseudonym", "Mode", "Room", "Route", "Opened", "Closed", "Dose", "Restarts"], rows));
  });

  kv.views["review-session"] = view("Session", async (page, id) => {
    const { session, audit, audit_total: total } = await get("/api/v1/sessions/" + encodeURIComponent(id));
    page.querySelector("h1").textContent = session.subject_ref + " · " + kv.words.route(session.route);
    const facts = [day(session.started_us) + " – " + day(session.ended_us), "room " + session.room];
    if (session.mode !== "real") facts.unshift(session.mode.toUpperCase());
    if (session.resumed) facts.push("resumed " + session.resumed + " times: gaps are shown as gaps");
    page.append(kv.el("p", { class: "facts" }, facts.join(" · ")));
    const plot = kv.el("div", { class: "review-plot" });
    page.append(plot);
    const [plotly, figure] = await Promise.all([kv.plotly(), get("/api/v1/sessions/" + encodeURIComponent(id) + "/figure")]);
    if (page.isConnected) plotly.newPlot(plot, figure.data, figure.layout, { displaylogo: false, responsive: true });
    const rows = audit.map((row) => [kv.words.time(row.at_us, true), row.kind, row.text, row.actor]);
    page.append(kv.el("h2", {}, "Alarms and events"), table(["Time", "What", "Detail", "Who"], rows));
    if (total > audit.length) page.append(kv.el("p", { class: "empty" }, "The first " + audit.length + " of " + total + " rows are shown."));
  });
})(window.kv);
