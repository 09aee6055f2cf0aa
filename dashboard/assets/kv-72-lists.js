/* The lists beside a room's numbers: what is due, what happened, its devices. */
(function (kv) {
  "use strict";

  const EVENTS = 8;
  const DUE = 5;

  /** Rows of text in a list, rewritten only when they differ. */
  function listing(className) {
    const node = kv.el("ul", { class: className });
    let before = null;
    return {
      node,
      show(rows, empty) {
        const now = JSON.stringify(rows);
        if (now === before) return;
        before = now;
        const lines = rows.map(([left, right, state]) =>
          kv.el("li", { "data-state": state }, kv.el("span", {}, left), kv.el("span", {}, right)),
        );
        node.replaceChildren(...(lines.length ? lines : [kv.el("li", { class: "quiet" }, empty)]));
      },
    };
  }

  kv.roomLists = function (roomId) {
    const due = listing("rows");
    const marks = listing("rows");
    const devices = kv.roomDevices(roomId);

    function update(room, nowUs) {
      const owed = kv.model.owed(room).slice(0, DUE);
      due.show(
        owed.map((each) => {
          const said = kv.words.due(each, nowUs);
          return [said.text, kv.words.time(each.at_us), said.state];
        }),
        "Nothing is due.",
      );
      const recent = room.marks.slice(-EVENTS).reverse();
      marks.show(
        recent.map((mark) => [kv.words.mark(mark), kv.words.time(mark.at_us), "done"]),
        "No events yet.",
      );
      devices.update(room);
    }
    return { due: due.node, marks: marks.node, devices: devices.node, update };
  };
})(window.kv);
