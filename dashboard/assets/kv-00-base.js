/* The namespace of all scripts of the pages, and the few DOM functions they share.
   Dash loads the files of this folder as classic scripts in the order of their names. */
window.kv = { views: {}, central: { here: false } }; // a station's page, until the server says otherwise
(function (kv) {
  "use strict";

  kv.US = 1e6; // microseconds in a second; all times are station microseconds UTC, suffix Us

  /** Builds an element: el("p", {class: "x", "data-y": 1, onclick: f}, "text", node, …). */
  kv.el = function (tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };

  /** Writes text, and touches the document only where it differs. */
  kv.text = function (node, text) {
    if (node.textContent !== text) node.textContent = text;
  };

  /** Sets an attribute, or removes it for null, and only where it differs. */
  kv.attr = function (node, name, value) {
    if (value === null || value === undefined) {
      if (node.hasAttribute(name)) node.removeAttribute(name);
    } else if (node.getAttribute(name) !== String(value)) {
      node.setAttribute(name, value);
    }
  };

  /** Names a button for those who cannot see it. What stands on it is part of the name, for those
      who speak to their computer. */
  kv.name = function (button, words) {
    const seen = button.textContent.replace(/[▾▴↓]/g, "").trim();
    const whole = (text) => " " + text.toLowerCase() + " ";
    const said = whole(words).includes(whole(seen)) ? words : words + " – " + seen;
    kv.attr(button, "aria-label", said);
  };

  kv.show = function (node, visible) {
    if (node.hidden === visible) node.hidden = !visible;
  };

  /** Makes the children of a node the given ones, in order, moving only what must move. */
  kv.arrange = function (parent, nodes) {
    nodes.forEach((node, index) => {
      if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] || null);
    });
    while (parent.children.length > nodes.length) parent.lastElementChild.remove();
  };

  /** One node per key, kept from call to call; nodes whose key is gone are dropped. */
  kv.keyed = function (create) {
    let nodes = new Map();
    return function (keys) {
      nodes = new Map(keys.map((key) => [key, nodes.get(key) || create(key)]));
      return [...nodes.values()];
    };
  };

  const listeners = {};
  /** kv.on("frame", f): calls f(detail) on every kv.emit("frame", detail). */
  kv.on = function (name, listener) {
    (listeners[name] = listeners[name] || []).push(listener);
  };
  kv.emit = function (name, detail) {
    for (const listener of listeners[name] || []) listener(detail);
  };

  const SVG = "http://www.w3.org/2000/svg";
  const ICONS = {
    // 24 x 24; each priority has its own outline
    high: "M12 1 23 12 12 23 1 12Z",
    medium: "M12 2 23 22H1Z",
    low: "M12 2a10 10 0 1 0 .01 0Z",
    info: "M4 4h16v16H4Z",
    hold: "M7 2h10l6 10-6 10H7L1 12Z",
    bell: "M12 2a6 6 0 0 0-6 6v5l-2 4h16l-2-4V8a6 6 0 0 0-6-6Zm-2.5 17a2.5 2.5 0 0 0 5 0Z",
    crossed:
      "M12 2a6 6 0 0 0-6 6v5l-2 4h16l-2-4V8a6 6 0 0 0-6-6Zm-2.5 17a2.5 2.5 0 0 0 5 0ZM2.7 1.3l20 20-1.4 1.4-20-20Z",
    check: "M9.5 19.5 2 12l2.4-2.4 5.1 5.1L19.6 4.6 22 7Z",
  };
  /** An inline drawing; decoration only, the words beside it say the same. */
  kv.icon = function (name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "icon icon-" + name);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  };
})(window.kv);
