/* A pulse that a hidden tab does not slow down: timers of a page do, those of a worker do not. */
setInterval(() => postMessage("tick"), 500);
