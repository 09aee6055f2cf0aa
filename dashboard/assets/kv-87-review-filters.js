/* Filters of the list of sessions. What is chosen stands in the address, so that going back, or
   sending the address to a colleague, shows the same. */
(function (kv) {
  "use strict";

  const LATER_MS = 200; // after the last letter of a search
  const SORT = "-started";
  const NAMES = ["q", "from", "to", "site", "clinic", "station", "room", "route", "mode", "state", "unfinished", "sort"];
  const MODES = { real: "Real", demo: "DEMO", test: "TEST" };
  const STATES = [
    ["open", "Open"],
    ["closed", "Closed"],
    ["recovered", "Closed, with a restart"],
  ];

  function choice(name, label, first) {
    const select = kv.el("select", { name }, kv.el("option", { value: "" }, first));
    return { select, node: kv.el("label", { class: "list-field" }, kv.el("span", {}, label), select) };
  }

  /* Gives a select its options; what is chosen stays, also where there is none of it now. */
  function offer(select, options, chosen) {
    const known = options.some(([value]) => value === chosen);
    const all = chosen && !known ? [...options, [chosen, chosen]] : options;
    const nodes = all.map(([value, words]) => kv.el("option", { value }, words));
    select.replaceChildren(select.options[0], ...nodes);
    select.value = chosen;
  }

  /** @param changed () => called when something else is asked
      @returns {node, asked(): parameters of the API, sort, setSort(text), offer(facets), focus(), clear(), stop()} */
  kv.reviewFilters = function (changed) {
    const given = new URLSearchParams(location.search);
    const { pathname } = location;
    const values = Object.fromEntries(NAMES.map((name) => [name, given.get(name) || ""]));
    let later = 0;
    let stopped = false;

    const search = kv.el("input", { type: "search", name: "q", autocomplete: "off", spellcheck: "false", maxlength: 100, "aria-keyshortcuts": "/" });
    search.dataset.names = "ok"; // nothing is recorded of it
    const from = kv.el("input", { type: "date", name: "from" });
    const to = kv.el("input", { type: "date", name: "to" });
    const site = choice("site", "Site", "All sites");
    const clinic = choice("clinic", "Clinic", "All clinics");
    const room = choice("room", "Room", "All rooms");
    const route = choice("route", "Route", "All routes");
    const mode = choice("mode", "Mode", "All modes");
    const state = choice("state", "State", "All states");
    const unfinished = kv.el("input", { type: "checkbox", name: "unfinished" });
    const sort = choice("sort", "Sorted by", "Newest first");
    sort.node.classList.add("list-sort");
    const clear = kv.el("button", { type: "button", class: "quiet", onclick: empty }, "Clear");
    const unfold = kv.el("button", { type: "button", class: "quiet list-unfold", "aria-expanded": "false", onclick: fold }, "Filters");
    const labelled = (words, input) => kv.el("label", { class: "list-field" }, kv.el("span", {}, words), input);
    const node = kv.el(
      "form",
      { class: "list-filters", role: "search", "aria-label": "Sessions" },
      kv.el("label", { class: "list-field list-search" }, kv.el("span", {}, "Search ", kv.el("kbd", {}, "/")), search),
      unfold,
      labelled("From", from),
      labelled("To", to),
      room.node,
      route.node,
      mode.node,
      state.node,
      kv.el("label", { class: "list-field list-check" }, unfinished, kv.el("span", {}, "Unfinished only")),
      sort.node,
      clear,
    );
    let central = false;
    const inputs = { q: search, from, to, room: room.select, route: route.select, mode: mode.select, state: state.select, sort: sort.select };

    offer(state.select, STATES, values.state);
    offer(mode.select, [], values.mode);
    offer(room.select, [], values.room);
    offer(route.select, [], values.route);
    offerSorts();
    show();

    function offerSorts() {
      const options = kv.reviewColumns
        .filter((column) => central || !column.central)
        .map(({ key, title, first }) => [first + key, title])
        .filter(([value]) => value !== SORT);
      offer(sort.select, options, values.sort === SORT ? "" : values.sort);
    }

    function show() {
      for (const [name, input] of Object.entries(inputs)) if (input.value !== values[name]) input.value = values[name];
      unfinished.checked = values.unfinished === "1";
      clear.disabled = NAMES.every((name) => !values[name]);
    }

    function read() {
      for (const [name, input] of Object.entries(inputs)) values[name] = input.value.trim();
      values.unfinished = unfinished.checked ? "1" : "";
      tell();
    }

    function tell() {
      clearTimeout(later);
      if (stopped || location.pathname !== pathname) return; // a field that is taken away changes
      clear.disabled = NAMES.every((name) => !values[name]);
      const query = new URLSearchParams(NAMES.filter((name) => values[name]).map((name) => [name, values[name]]));
      const text = query.toString();
      if (location.search !== (text && "?" + text)) {
        history.replaceState(history.state, "", pathname + (text && "?" + text));
      }
      changed();
    }

    function empty() {
      for (const name of NAMES) values[name] = "";
      offerSorts();
      show();
      tell();
      search.focus();
    }

    /* On a phone they are shown when they are wanted. */
    function fold() {
      const open = node.toggleAttribute("data-open");
      kv.attr(unfold, "aria-expanded", String(open));
    }

    search.addEventListener("input", () => {
      clearTimeout(later);
      later = setTimeout(read, LATER_MS);
    });
    node.addEventListener("change", read);
    node.addEventListener("submit", (event) => {
      event.preventDefault();
      read();
    });

    return {
      node,
      get sort() {
        return values.sort || SORT;
      },
      asked() {
        const asked = new URLSearchParams();
        for (const name of NAMES) if (values[name]) asked.set(name, values[name]);
        return asked;
      },
      setSort(text) {
        values.sort = text === SORT ? "" : text;
        offerSorts();
        tell();
      },
      offer(facets) {
        if (facets.sites && !central) {
          central = true;
          room.node.before(site.node, clinic.node);
          Object.assign(inputs, { site: site.select, clinic: clinic.select });
          offerSorts();
        }
        if (central) {
          offer(site.select, facets.sites.map((name) => [name, name]), values.site);
          offer(clinic.select, facets.clinics.map((name) => [name, name]), values.clinic);
        }
        offer(room.select, facets.rooms.map((id) => [id, kv.reviewRoom(id)]), values.room);
        offer(route.select, facets.routes.map((key) => [key, kv.words.route(key)]), values.route);
        offer(mode.select, facets.modes.map((key) => [key, MODES[key] || key]), values.mode);
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
})(window.kv);
