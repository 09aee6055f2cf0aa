/* Stands in the page itself, before everything else. A file of the page that did not arrive (the
   server was just starting, a network interface came or went) must not leave it blank, or without
   what it does not know that it lacks, its sound for one: the page is asked for again, and says so. */
(function () {
  "use strict";

  const KEY = "kv-boot";
  const FIRST_MS = 1000;
  const MOST_MS = 30_000;
  const PATIENCE_MS = 15_000; // from the last file to a page that shows something

  let timer = null;
  let missing = false;

  const mounted = () => Boolean(document.body && document.body.dataset.page);

  /** How often in a row it was asked for in vain; a browser that keeps nothing begins anew. */
  function tries(n) {
    try {
      if (n === undefined) return Number(sessionStorage.getItem(KEY)) || 0;
      sessionStorage.setItem(KEY, String(n));
    } catch {
      // storage is forbidden: the wait does not grow
    }
    return 0;
  }

  function say() {
    if (document.getElementById("kv-boot")) return;
    const line = document.createElement("p");
    line.id = "kv-boot";
    line.setAttribute("role", "alert");
    line.textContent = "This page has not arrived whole and is asked for again. Watch the monitors.";
    line.style.cssText =
      "position:fixed;inset:0 0 auto;margin:0;padding:1rem;z-index:99;font:1.25rem sans-serif;background:#7a1020;color:#fff";
    (document.body || document.documentElement).append(line);
  }

  function again() {
    if (timer) return;
    const n = tries();
    tries(n + 1);
    timer = setTimeout(() => location.reload(), Math.min(FIRST_MS * 2 ** n, MOST_MS));
    if (document.body) say();
    else addEventListener("DOMContentLoaded", say);
  }

  addEventListener(
    "error",
    (event) => {
      const { target } = event;
      const file = target instanceof HTMLScriptElement || (target instanceof HTMLLinkElement && target.rel === "stylesheet");
      if (!file || mounted()) return; // what a running page asks for, it looks after itself
      missing = true;
      again();
    },
    true,
  );

  addEventListener("load", () => {
    const end = Date.now() + PATIENCE_MS;
    const watch = setInterval(() => {
      if (mounted() || Date.now() > end) clearInterval(watch);
      if (mounted() && !missing) tries(0);
      else if (Date.now() > end) again();
    }, 250);
  });
})();
