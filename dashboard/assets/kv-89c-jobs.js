/* Long work on a page: begins it, shows how far it is, cancels it. The server does one thing at a
   time, so it may have to wait for others. */
(function (kv) {
  "use strict";

  const ASK_MS = 400;
  const AGAIN = 20; // so many unanswered questions in a row are one too many
  const OVER = ["done", "failed", "cancelled"];

  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function token() {
    const name = document.documentElement.dataset.csrf + "=";
    const found = document.cookie.split("; ").find((each) => each.startsWith(name));
    return found ? found.slice(name.length) : "";
  }

  async function ask(path, method, body) {
    const headers = { Accept: "application/json", "X-CSRFToken": token() };
    if (body) headers["Content-Type"] = "application/json";
    let answer;
    try {
      const sent = body ? JSON.stringify(body) : undefined;
      answer = await fetch(path, { method, headers, body: sent, cache: "no-store" });
    } catch {
      return { away: true, error: "the server does not answer; try again" };
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    const error = told.error || "the server answered " + answer.status;
    return { away: answer.status === 429, error }; // too often: it will answer later
  }

  function sentence(text) {
    return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
  }

  const where = (job) => "/api/v1/jobs/" + encodeURIComponent(job.id);

  kv.jobs = {
    sentence,
    file: (job) => where(job) + "/file",
  };

  /** A bar for one job at a time: {node, run(kind, body), busy}. `run` resolves to the job that is
      done, or to null when it was cancelled or its page has been left; it rejects with a sentence. */
  kv.jobs.bar = function (label) {
    const progress = kv.el("progress", { max: 1, value: 0, "aria-label": label });
    const words = kv.el("span", { class: "job-words" });
    const cancel = kv.el("button", { type: "button", onclick: () => drop() }, "Cancel");
    const node = kv.el("div", { class: "job-bar", hidden: true }, progress, words, cancel);
    let running = null;

    async function drop() {
      const job = running;
      running = null;
      kv.show(node, false);
      if (job) await ask(where(job), "DELETE");
    }

    function show(job) {
      progress.value = job.share;
      const wait = job.before ? "waiting; " + job.before + " before this one" : "waiting";
      const share = Math.round(100 * job.share) + " %";
      kv.text(words, job.state === "waiting" ? wait : share + (job.words ? " · " + job.words : ""));
    }

    async function run(kind, body) {
      await drop();
      const mine = (running = await ask("/api/v1/jobs/" + kind, "POST", body));
      if (mine.error) {
        running = null;
        throw new Error(sentence(mine.error));
      }
      show(mine);
      kv.show(node, true);
      let job = mine;
      let unanswered = 0;
      while (!OVER.includes(job.state)) {
        await sleep(ASK_MS);
        if (running !== mine) return null;
        if (!node.isConnected) {
          await drop();
          return null;
        }
        const told = await ask(where(mine), "GET");
        if (running !== mine) return null;
        if (told.away && ++unanswered < AGAIN) continue;
        if (told.error) job = { state: "failed", words: told.error };
        else {
          job = told;
          unanswered = 0;
          show(job);
        }
      }
      running = null;
      kv.show(node, false);
      if (job.state === "failed") throw new Error(sentence(job.words));
      return job.state === "done" ? job : null;
    }

    return {
      node,
      run,
      drop,
      get busy() {
        return running !== null;
      },
    };
  };
})(window.kv);
