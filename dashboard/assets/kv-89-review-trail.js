/* Review: the audit trail of a session, page by page, by kind and by words. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const COLUMNS = ["Row", "Time", "What", "Detail", "Who"];
  const PAGE = 100;
  const MOST = 1000; // rows of one question
  const WAIT_MS = 250; // after the last letter of a search

  const kindWords = (kind) => kind.replaceAll("_", " ");

  function row(each, context) {
    const at = review.jump(each.at_us, context);
    const who = [each.actor, each.role && "(" + each.role + ")"].filter(Boolean).join(" ");
    return [String(each.n), at, kindWords(each.kind), each.text, who];
  }

  review.sections.push({
    id: "audit",
    title: "Audit trail",
    order: 90,
    load: async (place, context) => {
      const { kinds } = context.body;
      const all = Object.values(kinds).reduce((sum, count) => sum + count, 0);
      const options = Object.entries(kinds).map(([kind, count]) => kv.el("option", { value: kind }, kindWords(kind) + " (" + count + ")"));
      const select = kv.el("select", { "aria-label": "Kind of row" }, kv.el("option", { value: "" }, "All kinds (" + all + ")"), ...options);
      const search = kv.el("input", { type: "search", "aria-label": "Search the audit trail", placeholder: "Search", maxlength: 200 });
      const said = kv.el("span", { class: "counted", role: "status" });
      const holder = kv.el("div", {});
      const more = kv.el("button", { type: "button", class: "more" });
      const rest = kv.el("button", { type: "button", class: "more" }, "Show all");
      const buttons = kv.el("div", { class: "review-bar" }, more, rest);
      place.append(kv.el("div", { class: "review-bar" }, select, search, said), holder, buttons);

      let rows = [];
      let total = 0;
      let asked = 0; // answers to an older question are dropped

      function show() {
        const cells = rows.map((each) => row(each, context));
        const table = review.table("Audit trail", COLUMNS, cells, { cards: true });
        holder.replaceChildren(rows.length ? table : kv.el("p", { class: "empty" }, "No row fits."));
        kv.text(said, rows.length + " of " + total + " rows");
        kv.show(buttons, rows.length < total);
        kv.text(more, "Show " + Math.min(PAGE, total - rows.length) + " more");
      }

      async function ask(most, anew) {
        const mine = ++asked;
        let wanted = most;
        if (anew) rows = [];
        try {
          do {
            const query = { offset: rows.length, limit: Math.min(MOST, wanted) };
            if (select.value) query.kind = select.value;
            if (search.value.trim()) query.q = search.value.trim();
            const answer = await context.ask("/audit", query);
            if (mine !== asked) return;
            rows = [...rows, ...answer.rows];
            total = answer.total;
            wanted -= answer.rows.length;
            if (!answer.rows.length) break;
          } while (wanted > 0 && rows.length < total);
          show();
        } catch (error) {
          kv.text(said, "This cannot be shown: " + error.message);
        }
      }
      let waiting = 0;
      search.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => ask(PAGE, true), WAIT_MS);
      });
      select.addEventListener("change", () => ask(PAGE, true));
      more.addEventListener("click", () => ask(PAGE, false));
      rest.addEventListener("click", () => ask(Infinity, false));
      await ask(PAGE, true);
    },
  });
})(window.kv);
