/* The large place below the numbers: what a phase of the session needs lies there by itself, and
   everything else is one press away. */
(function (kv) {
  "use strict";

  const BEFORE = ["CHECK_IN", "BASELINE", "GATE", "DOSING"];

  /** The tab that a phase begins with. */
  function tabOf(session) {
    if (!session) return "trend";
    if (session.phase === "EMERGENCY") return "emergency";
    if (session.phase === "DISCHARGE_CHECK") return "discharge";
    if (BEFORE.includes(session.phase) && session.dose_us === null && kv.care.known()) return "checkin";
    return "trend";
  }
  const turnOf = (session) => (session ? session.id + " " + tabOf(session) : "");

  /** @param tabs [{id, label, node, badge?(): text, shown?(session)}]
      @returns {node, bar, chosen(), choose(id), update(session)} */
  kv.stage = function (tabs) {
    const bar = kv.el("div", { class: "tabs", role: "tablist", "aria-label": "What is shown below the numbers" });
    const node = kv.el("div", { class: "stage-body", tabindex: 0, role: "group", "aria-label": "Below the numbers" }, ...tabs.map((tab) => tab.node));
    let chosen = "trend";
    let turn = null; // what the session last called for

    const buttons = tabs.map((tab) => {
      const badge = kv.el("span", { class: "tab-badge" });
      const button = kv.el("button", { type: "button", role: "tab", id: "tab-" + tab.id, "data-tab": tab.id, onclick: () => choose(tab.id) });
      button.append(kv.el("span", {}, tab.label), badge);
      tab.node.setAttribute("role", "tabpanel");
      tab.node.setAttribute("aria-labelledby", "tab-" + tab.id);
      return { tab, button, badge };
    });
    bar.append(...buttons.map(({ button }) => button));
    bar.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const seen = buttons.filter(({ button }) => !button.hidden);
      const at = seen.findIndex(({ button }) => button === document.activeElement);
      const next = seen[(at + step + seen.length) % seen.length];
      next.button.focus();
      choose(next.tab.id);
    });

    function choose(id) {
      chosen = id;
      draw();
      node.scrollTop = 0;
    }
    function draw() {
      for (const { tab, button } of buttons) {
        kv.attr(button, "aria-selected", String(tab.id === chosen));
        kv.attr(button, "tabindex", tab.id === chosen ? "0" : "-1");
        kv.show(tab.node, tab.id === chosen);
        if (tab.id !== chosen) continue;
        const end = button.offsetLeft + button.offsetWidth - bar.clientWidth;
        if (end > bar.scrollLeft) bar.scrollLeft = end;
        else bar.scrollLeft = Math.min(bar.scrollLeft, button.offsetLeft);
      }
    }

    function update(session) {
      if (turnOf(session) !== turn) {
        turn = turnOf(session);
        choose(tabOf(session));
      }
      for (const { tab, button, badge } of buttons) {
        kv.show(button, !tab.shown || tab.shown(session));
        if (tab.badge) kv.text(badge, tab.badge());
      }
      const gone = buttons.some(({ tab, button }) => tab.id === chosen && button.hidden);
      if (gone) choose("trend");
    }
    draw();
    return { node, bar, choose, chosen: () => chosen, update };
  };
})(window.kv);
