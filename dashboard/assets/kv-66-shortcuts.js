/* Keys of a room's page. They are silent while somebody writes, while a form is open and while a
   button of a dialog has the floor. */
(function (kv) {
  "use strict";

  const WRITES = "input, textarea, select, [contenteditable], dialog *";

  /** @param acting see kv.acting
      @param listed () => [[key, words, press]], the clinic's first: the first one of a key counts
      @returns {node, remove()}: the button that lists them */
  kv.shortcuts = function (acting, listed) {
    const body = kv.el("tbody");
    const list = kv.el("dialog", { class: "keys", "aria-label": "Keys" });
    const close = kv.el("button", { type: "button", onclick: () => list.close() }, "Close");
    list.append(kv.el("h2", {}, "Keys of this page"), kv.el("table", {}, body), kv.el("div", { class: "dialog-actions" }, close));
    const button = kv.el("button", { type: "button", class: "quiet keys-button", onclick: show, "aria-keyshortcuts": "?" }, "Keys");
    button.append(kv.el("kbd", {}, "?"));

    const all = () => [...listed(), ["?", "This list", show]];

    function show() {
      const seen = new Set();
      const rows = all().filter(([key]) => !seen.has(key) && seen.add(key));
      body.replaceChildren(
        ...rows.map(([key, words]) => kv.el("tr", {}, kv.el("td", {}, kv.el("kbd", {}, key)), kv.el("td", {}, words))),
      );
      if (!list.isConnected) document.body.append(list);
      if (!list.open) list.show();
      close.focus();
    }

    function onKey(event) {
      if (event.key === "Escape" && list.open) return list.close();
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
      if (event.target.closest && event.target.closest(WRITES)) return;
      if (kv.central.here) return; // there is nothing to do
      if (acting.sheets.isOpen() || document.querySelector("dialog[open]")) return;
      const found = all().find(([key]) => key.toLowerCase() === event.key.toLowerCase());
      if (!found || !acting.room) return;
      event.preventDefault();
      found[2]();
    }
    document.addEventListener("keydown", onKey);
    return {
      node: button,
      remove() {
        document.removeEventListener("keydown", onKey);
        list.remove();
      },
    };
  };
})(window.kv);
