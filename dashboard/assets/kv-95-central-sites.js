/* Sites and their clinics beside the rooms of the centre, with what is the matter there; what is
   chosen narrows the rooms. On a small screen they open from one button. */
(function (kv) {
  "use strict";

  const FEW = 26; // lines that are shown without a choice

  /** Worst first, else by name: somebody who looks for a name finds it by the search. */
  const byNeed = (name) => (a, b) =>
    b.alarm - a.alarm || b.lost - a.lost || String(a[name]).localeCompare(String(b[name]), undefined, { numeric: true });

  /** A number, and for those who hear the page what it counts. */
  function counted(className, words, shown) {
    const number = kv.el("b");
    const node = kv.el("span", { class: className }, kv.el("span", { class: "unseen" }, ", "), number, shown || "");
    if (words) node.append(kv.el("span", { class: "unseen" }, words));
    return {
      node,
      set(n, always) {
        kv.text(number, String(n));
        kv.show(node, always === undefined ? n > 0 : always);
      },
    };
  }

  /** A line that can be chosen: its name, its rooms, those with alarms, those that are lost. */
  function line(className, press) {
    const name = kv.el("span", { class: "central-name" });
    const many = counted("central-many", " rooms");
    const alarm = counted("central-alarmed", " with alarms");
    const lost = counted("central-lost", "", " lost");
    const button = kv.el("button", { type: "button", class: className, onclick: press }, name, alarm.node, lost.node, many.node);
    return {
      button,
      update(label, counts, chosen) {
        kv.text(name, label);
        many.set(counts.rooms, kv.central.known);
        alarm.set(counts.alarm);
        lost.set(counts.lost);
        kv.attr(button, "aria-current", chosen ? "true" : null);
      },
    };
  }

  /** @param choose ({site, clinic}) => void
      @returns {node, toggle, update(ward, {site, clinic})} */
  kv.centralSites = function (choose) {
    const all = line("central-all", () => pick("", ""));
    all.update("All sites", { rooms: 0, alarm: 0, lost: 0 }, true);
    const list = kv.el("ul", { class: "central-list" });
    const toggle = kv.el("button", { type: "button", class: "central-toggle", "aria-expanded": "false", "aria-controls": "central-sites" }, "All sites ▾");
    const node = kv.el("nav", { class: "central-sites", id: "central-sites", "aria-label": "Sites and clinics" }, all.button, list);
    const entries = kv.keyed(site);
    let open = false;

    function set(wanted) {
      open = wanted;
      toggle.setAttribute("aria-expanded", String(open));
      kv.attr(node, "data-open", open ? "yes" : null);
    }

    function pick(siteName, clinicName) {
      if (open) {
        set(false);
        toggle.focus();
      }
      choose({ site: siteName, clinic: clinicName });
    }

    function site(siteName) {
      const own = line("central-site", () => pick(siteName, ""));
      const inner = kv.el("ul");
      const clinics = kv.keyed((clinicName) => {
        const each = line("central-clinic", () => pick(siteName, clinicName));
        return { ...each, node: kv.el("li", {}, each.button) };
      });
      const entry = kv.el("li", {}, own.button, inner);
      return {
        node: entry,
        update(counts, chosen, few) {
          const mine = chosen.site === siteName;
          own.update(siteName, counts, mine && !chosen.clinic);
          kv.attr(own.button, "aria-expanded", String(mine || few));
          kv.show(inner, mine || few);
          if (!mine && !few) return;
          const sorted = [...counts.clinics].sort(byNeed("clinic"));
          const shown = clinics(sorted.map((each) => each.clinic));
          shown.forEach((each, i) => each.update(sorted[i].clinic, sorted[i], mine && chosen.clinic === sorted[i].clinic));
          place(inner, shown.map((each) => each.node));
        },
      };
    }

    /** In order, but not under somebody's finger. */
    function place(parent, nodes) {
      const same = nodes.length === parent.children.length && nodes.every((each) => each.parentElement === parent);
      if (same && parent.contains(document.activeElement)) return;
      kv.arrange(parent, nodes);
    }

    toggle.addEventListener("click", () => set(!open));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !open) return;
      set(false);
      toggle.focus();
    });

    return {
      node,
      toggle,
      update(ward, chosen) {
        const sum = (name) => ward.sites.reduce((total, each) => total + each[name], 0);
        all.update("All sites", { rooms: sum("rooms"), alarm: sum("alarm"), lost: sum("lost") }, !chosen.site);
        const sorted = [...ward.sites].sort(byNeed("site"));
        const shown = entries(sorted.map((each) => each.site));
        const lines = sorted.reduce((total, each) => total + 1 + each.clinics.length, 0);
        shown.forEach((each, i) => each.update(sorted[i], chosen, lines <= FEW));
        place(list, shown.map((each) => each.node));
        const where = [chosen.site, chosen.clinic].filter(Boolean).join(" › ") || "All sites";
        kv.text(toggle, where + " ▾");
        kv.name(toggle, "Sites and clinics: " + where);
      },
    };
  };
})(window.kv);
