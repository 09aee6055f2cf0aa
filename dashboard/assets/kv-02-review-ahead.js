/* Review: what the page of a session will want, asked for long before the scripts that show it are
   there. Of what came early there is one use. */
(function (kv) {
  "use strict";

  const KEPT_MS = 15000; // what was asked for early is used within this
  const early = new Map(); // path -> {answer, atMs}

  const review = (kv.review = {});

  review.get = async function (path, options) {
    const response = await fetch(path, { cache: "no-store", ...options });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
    return body;
  };

  const pathOf = (id) => "/api/v1/sessions/" + encodeURIComponent(id);

  function fresh(path) {
    const known = early.get(path);
    return known && performance.now() - known.atMs < KEPT_MS ? known.answer : null;
  }

  function ahead(path, query) {
    const known = fresh(path);
    if (known) return known;
    const answer = review.get(path + query);
    answer.catch(() => early.delete(path)); // who asks for it is told
    early.set(path, { answer, atMs: performance.now() });
    return answer;
  }

  review.ahead = {
    pathOf,
    /** The answer, also where nobody has asked for it yet. */
    taken(path) {
      const answer = ahead(path, "");
      early.delete(path);
      return answer;
    },
    /** What was asked for early, null for nothing. */
    async inAdvance(path) {
      const answer = fresh(path);
      early.delete(path);
      return answer ? answer.catch(() => null) : null;
    },
  };

  /* As soon as somebody is on the way to a session. All of it names one moment, so that of a session
     that goes on one reading answers both: a second one would tell another moment, and the figure
     would have to be drawn again. */
  review.prefetch = function (id) {
    const path = pathOf(id);
    if (fresh(path)) return;
    const moment = "?stamp=at-" + Math.random().toString(36).slice(2);
    for (const asked of [ahead(path, moment), ahead(path + "/figure", moment)]) asked.catch(() => {});
  };

  /** The session of an address, "" for none. */
  review.idOf = function (path) {
    const found = /^\/review\/([\w.~-]+)$/.exec(path || "");
    return found ? found[1] : "";
  };

  if (review.idOf(location.pathname)) review.prefetch(review.idOf(location.pathname));
})(window.kv);
