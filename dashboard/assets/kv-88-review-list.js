/* Review: the list of sessions. Rows come as one scrolls; what is still being worked out fills in
   by itself. Keys: / searches, arrows and Page keys go through the rows, Enter opens. */
(function (kv) {
  "use strict";

  const PATH = "/api/v1/sessions";
  const PART = 200; // rows of one answer
  const MOST = 1000; // that an answer may have
  const AGAIN_MS = 60; // while sessions are being worked out, between two questions
  const SHOW_MS = 1500; // and between two looks at the rows
  const LIVE_MS = 30_000; // while a session is open
  const PAGE_ROWS = 10;
  const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_ROWS, PageUp: -PAGE_ROWS, Home: -Infinity, End: Infinity };

  /* What is worked out later; at the centre it comes when the session is closed. */
  function later(session) {
    return session.site === undefined ? "…" : kv.el("span", { title: "Comes when the session is closed" }, "…");
  }

  function rowOf(session, columns) {
    const name = session.subject_ref.trim() || "(no pseudonym)";
    const link = kv.el("a", { href: "/review/" + encodeURIComponent(session.id), onclick: kv.follow, tabindex: -1 }, name);
    const cells = columns.map(({ key, title, made, cell }) => {
      const waits = made && !session.worked_out;
      return kv.el(key === "subject" ? "th" : "td", { "data-column": key, "data-label": title, scope: key === "subject" ? "row" : null }, waits ? later(session) : cell(session, link));
    });
    const row = kv.el("tr", { "data-session": session.id, "data-mode": session.mode, "data-state": session.state }, ...cells);
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a") && !String(getSelection())) link.click();
    });
    return row;
  }

  function headOf(columns, press) {
    const cells = columns.map(({ key, title }) => {
      const button = kv.el("button", { type: "button", onclick: () => press(key) }, title, kv.el("span", { class: "list-arrow", "aria-hidden": true }));
      return kv.el("th", { scope: "col", "data-column": key }, button);
    });
    return {
      node: kv.el("thead", {}, kv.el("tr", {}, ...cells)),
      show(sort) {
        const down = sort.startsWith("-");
        columns.forEach(({ key }, index) => {
          const here = key === sort.replace("-", "");
          kv.attr(cells[index], "aria-sort", here ? (down ? "descending" : "ascending") : null);
          kv.text(cells[index].querySelector(".list-arrow"), here ? (down ? "▼" : "▲") : "");
        });
      },
    };
  }

  kv.views.review = function (container) {
    let columns = kv.reviewColumns.filter((column) => !column.central);
    const filters = kv.reviewFilters(() => load());
    let head = headOf(columns, press);
    const body = kv.el("tbody");
    const table = kv.el("table", { class: "list", "aria-label": "Sessions" }, head.node, body);
    const end = kv.el("div", { class: "list-end" });
    const scroll = kv.el("div", { class: "list-scroll" }, table, end);
    const status = kv.el("p", { class: "list-status", role: "status" }, "Loading …");
    const waiting = kv.el("p", { class: "list-waiting" });
    const damage = kv.el("p", { class: "list-damage", role: "alert", hidden: true });
    const again = kv.el("button", { type: "button", class: "quiet", hidden: true, onclick: () => load() }, "Try again");
    const said = kv.el("div", { class: "list-said" }, status, waiting, again);
    const page = kv.el("div", { class: "page page-list" }, kv.el("h1", {}, "Sessions"), filters.node, said, damage, scroll);
    container.append(page);

    let rows = []; // in the order of the list
    let shown = new Map(); // id -> {text, row}
    let total = 0;
    let asking = null; // AbortController of the question that counts
    let more = false; // whether further rows are being asked for
    let timer = 0;
    let shownAt = 0;

    const isSeen = (seen) => seen.some((each) => each.isIntersecting);
    const near = new IntersectionObserver((seen) => isSeen(seen) && further(), { rootMargin: "600px", scrollMargin: "600px" });
    near.observe(end);

    async function ask(parameters, signal) {
      const response = await fetch(PATH + "?" + parameters, { cache: "no-store", signal });
      const body = await response.json();
      if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
      return body;
    }

    function part(offset, limit) {
      const asked = filters.asked();
      asked.set("offset", offset);
      asked.set("limit", limit);
      return asked;
    }

    /* Asks anew from the first row on; `same`: for what is on the page already. */
    async function load(same) {
      clearTimeout(timer);
      if (asking) asking.abort();
      const mine = (asking = new AbortController());
      head.show(filters.sort);
      const limit = same ? Math.min(MOST, Math.max(PART, rows.length)) : PART;
      try {
        const answer = await ask(part(0, limit), mine.signal);
        if (mine.signal.aborted) return;
        take(answer, 0);
        if (!same) scroll.scrollTop = 0;
      } catch (error) {
        if (mine.signal.aborted) return;
        failed(error);
      }
    }

    async function further() {
      if (more || !rows.length || rows.length >= total || !asking || asking.signal.aborted) return;
      more = true;
      const mine = asking;
      const before = rows.length;
      try {
        const answer = await ask(part(before, PART), mine.signal);
        if (!mine.signal.aborted) take(answer, before);
      } catch (error) {
        if (!mine.signal.aborted) failed(error);
      } finally {
        more = false;
      }
      if (rows.length === before) return;
      near.unobserve(end); // it may still be in sight
      near.observe(end);
    }

    function failed(error) {
      kv.text(status, "This cannot be shown: " + error.message);
      kv.text(waiting, "");
      kv.show(again, true);
    }

    /* The centre answers with sites: each session has one, and a clinic. */
    function widen() {
      const local = head.node;
      columns = kv.reviewColumns;
      head = headOf(columns, press);
      head.show(filters.sort);
      local.replaceWith(head.node);
      shown.clear();
    }

    function take(answer, offset) {
      if (answer.facets.sites && columns !== kv.reviewColumns) widen();
      const kept = new Map(shown);
      const focus = document.activeElement && document.activeElement.closest("tr[data-session]");
      const focused = focus && body.contains(focus) ? focus.dataset.session : "";
      const fresh = answer.sessions.map((session) => {
        const text = JSON.stringify(session);
        const known = kept.get(session.id);
        if (known && known.text === text) return known;
        return { id: session.id, text, open: session.ended_us === null, row: rowOf(session, columns) };
      });
      // a list that has grown meanwhile shows nobody twice
      const ids = new Set(fresh.map((each) => each.id));
      const before = rows.slice(0, offset).filter((each) => !ids.has(each.id));
      const active = tabStop();
      total = answer.total;
      rows = [...before, ...fresh, ...rows.slice(offset + fresh.length).filter((each) => !ids.has(each.id))].slice(0, total);
      shown = new Map(rows.map((each) => [each.id, each]));
      kv.arrange(body, rows.map((each) => each.row));
      setTabStop(shown.has(focused) ? focused : active);
      if (focused && shown.has(focused)) linkOf(shown.get(focused)).focus({ preventScroll: true });
      filters.offer(answer.facets);
      say(answer);
      next(answer);
    }

    function say(answer) {
      const count = total === 1 ? "1 session" : total.toLocaleString("en") + " sessions";
      const filtered = [...filters.asked().keys()].some((name) => name !== "sort");
      const none = filtered ? "No session fits. Clear the filters to see all." : "No session has been recorded yet.";
      kv.text(status, total ? count : none);
      const owed = answer.pending;
      const words = owed === 1 ? "1 session is" : owed.toLocaleString("en") + " sessions are";
      kv.text(waiting, owed ? words + " still being worked out; sorting by what is shown as … is not complete." : "");
      kv.show(table, total > 0);
      kv.show(again, false);
      kv.text(damage, answer.unreadable.join(" "));
      kv.show(damage, answer.unreadable.length > 0);
      kv.attr(table, "aria-rowcount", total + 1);
      shownAt = performance.now();
    }

    /* While sessions are being worked out one small question follows another: each works some out. */
    function next(answer) {
      clearTimeout(timer);
      if (answer.pending) timer = setTimeout(push, AGAIN_MS);
      else if (rows.some((each) => each.open)) timer = setTimeout(() => (document.hidden ? next(answer) : load(true)), LIVE_MS);
    }

    async function push() {
      if (performance.now() - shownAt >= SHOW_MS) return load(true);
      const mine = asking;
      try {
        const answer = await ask(part(0, 1), mine.signal);
        if (mine.signal.aborted) return;
        if (answer.pending) next(answer);
        else load(true);
      } catch (error) {
        if (!mine.signal.aborted) failed(error);
      }
    }

    function press(key) {
      const column = columns.find((each) => each.key === key);
      const here = filters.sort.replace("-", "") === key;
      const turned = filters.sort.startsWith("-") ? key : "-" + key;
      filters.setSort(here ? turned : column.first + key);
    }

    // --- one row has the Tab stop; the arrows move it ---------------------------------------

    const linkOf = (each) => each.row.querySelector("a");

    function tabStop() {
      const link = body.querySelector('a[tabindex="0"]');
      return link ? link.closest("tr").dataset.session : "";
    }

    function setTabStop(id) {
      const wanted = shown.get(id) || rows[0];
      for (const link of body.querySelectorAll('a[tabindex="0"]')) link.tabIndex = -1;
      if (wanted) linkOf(wanted).tabIndex = 0;
    }

    function go(index) {
      const target = rows[Math.max(0, Math.min(rows.length - 1, index))];
      if (!target) return;
      setTabStop(target.id);
      linkOf(target).focus({ preventScroll: true });
      target.row.scrollIntoView({ block: "nearest" });
    }

    body.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      const row = event.target.closest("tr[data-session]");
      if (!row) return;
      event.preventDefault();
      go(rows.findIndex((each) => each.row === row) + step);
    });
    filters.node.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" || event.target.name !== "q") return;
      event.preventDefault();
      go(0);
    });

    function onKey(event) {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.target.closest && event.target.closest("input, textarea, select, dialog")) return;
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      filters.focus();
    }
    document.addEventListener("keydown", onKey);

    load();
    const nothing = () => {};
    return {
      title: "Sessions",
      waves: [],
      update: nothing,
      tick: nothing,
      rebuild: nothing,
      unmount() {
        clearTimeout(timer);
        filters.stop();
        near.disconnect();
        document.removeEventListener("keydown", onKey);
        if (asking) asking.abort();
      },
    };
  };
})(window.kv);
