/* Review: the table of sessions. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const COLUMNS = ["Pseudonym", "Mode", "Room", "Route", "Opened", "Closed", "Dose", "Restarts"];

  function row(session) {
    const onclick = (event) => kv.follow(event);
    const link = kv.el("a", { href: "/review/" + session.id, onclick }, session.subject_ref);
    return [
      link,
      session.mode === "real" ? "" : session.mode.toUpperCase(),
      session.room,
      kv.words.route(session.route),
      review.minute(session.started_us, session),
      review.minute(session.ended_us, session),
      review.minute(session.dose_us, session).slice(11) || "–",
      String(session.resumed),
    ];
  }

  kv.views.review = review.view("Sessions", async (page) => {
    const { sessions } = await review.get("/api/v1/sessions");
    if (sessions.length) page.append(review.table("Sessions", COLUMNS, sessions.map(row)));
    else page.append(kv.el("p", { class: "empty" }, "No session has been recorded yet."));
  });
})(window.kv);
