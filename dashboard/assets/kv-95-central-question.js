/* What is asked of all rooms: where, which, and a search. It stands in the address, so that going
   back, or sending the address to a colleague, shows the same. */
(function (kv) {
  "use strict";

  const LATER_MS = 200; // after the last letter of a search
  const AT_ONCE = 200; // rooms of one page
  const NAMES = ["site", "clinic", "q", "only", "offset"];
  // what is chosen, its word, its count in the server's answer
  const ONLY = [
    ["all", "All rooms"],
    ["alarm", "Alarms"],
    ["due", "Due"],
    ["open", "Sessions"],
    ["lost", "Link lost"],
  ];
  let last = ""; // the address of the list as it was last asked

  /** @param changed () => called when something else is asked
      @returns {node, asked(), choose(values), update(ward), focus(), stop()} */
  kv.centralQuestion = function (changed) {
    const given = new URLSearchParams(location.search);
    const values = Object.fromEntries(NAMES.map((name) => [name, given.get(name) || ""]));
    let later = 0;
    let stopped = false;

    const search = kv.el("input", {
      type: "search",
      name: "q",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 100,
      placeholder: "Room, station, pseudonym",
      "aria-label": "Search rooms",
      "aria-keyshortcuts": "/",
    });
    search.dataset.names = "ok"; // nothing is recorded of it
    const chips = ONLY.map(([only, label]) => {
      const count = kv.el("b");
      const press = () => choose({ only: only === "all" ? "" : only });
      const button = kv.el("button", { type: "button", class: "central-chip", "data-only": only, onclick: press }, kv.el("span", {}, label), " ", count);
      return { only, label, button, count };
    });
    const hint = kv.el("kbd", { "aria-hidden": "true" }, "/");
    const box = kv.el("span", { class: "central-search" }, search, hint);
    const row = kv.el("div", { class: "central-chips", role: "group", "aria-label": "Which rooms" }, ...chips.map(({ button }) => button));
    const node = kv.el("form", { class: "central-question", role: "search", "aria-label": "Rooms" }, box, row);
    search.value = values.q;

    function address() {
      const query = new URLSearchParams(NAMES.filter((name) => values[name]).map((name) => [name, values[name]])).toString();
      return "/" + (query && "?" + query);
    }

    /** Anything else that is asked begins with the worst rooms again. */
    function choose(more) {
      if (stopped) return;
      clearTimeout(later);
      Object.assign(values, { offset: "" }, more);
      if (search.value.trim() !== values.q) search.value = values.q;
      last = address();
      if (location.pathname + location.search !== last) history.replaceState(history.state, "", last);
      show();
      changed();
    }

    function show() {
      for (const { only, button } of chips) {
        const chosen = (values.only || "all") === only;
        kv.attr(button, "aria-pressed", String(chosen));
      }
    }

    search.addEventListener("input", () => {
      clearTimeout(later);
      later = setTimeout(() => choose({ q: search.value.trim() }), LATER_MS);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !search.value) return;
      event.preventDefault();
      search.value = "";
      choose({ q: "" });
    });
    node.addEventListener("submit", (event) => {
      event.preventDefault();
      choose({ q: search.value.trim() });
    });
    last = address();
    show();

    return {
      node,
      values,
      choose,
      asked: () => ({
        site: values.site,
        clinic: values.clinic,
        q: values.q,
        only: values.only || "all",
        offset: Number(values.offset) || 0,
        limit: AT_ONCE,
      }),
      update(ward) {
        for (const { only, label, button, count } of chips) {
          const many = kv.central.known ? ward.counts[only] : undefined;
          kv.text(count, many === undefined ? "" : String(many));
          kv.attr(button, "data-some", many ? "yes" : null);
          kv.name(button, label + (many === undefined ? "" : ": " + many));
        }
      },
      focus() {
        search.focus();
        search.select();
      },
      stop() {
        clearTimeout(later);
        stopped = true;
      },
    };
  };

  kv.centralQuestion.address = () => last || "/";
  kv.centralQuestion.AT_ONCE = AT_ONCE;
})(window.kv);
