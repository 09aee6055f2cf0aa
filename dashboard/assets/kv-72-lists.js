/* The lists beside a room's numbers: what is due and why it was not taken, and what happened, whose
   time can be corrected. */
(function (kv) {
  "use strict";

  const EVENTS = 40;
  const DUE = 5;
  const LATE = ["due", "overdue"];

  kv.sheetForms.correct_mark = (acting, id) => {
    const mark = acting.room && acting.room.marks.find((each) => each.id === id);
    return (
      mark && {
        title: "When was “" + kv.words.short(kv.words.mark(mark), 60) + "”?",
        text: "Now " + kv.words.time(mark.at_us, true) + "; that stays in the record.",
        kind: "correct_mark",
        label: "Correct time",
        fields: [
          { name: "at", kind: "time", label: "It happened at", required: true },
          { name: "reason", label: "Why was it wrong?", required: true, most: 200, free: true },
        ],
        confirm: "Correct the time",
        args: ({ at, reason }) => ({ mark: id, at_us: at, reason }),
      }
    );
  };

  function dueRow(acting, what) {
    const text = kv.el("span");
    const at = kv.el("span");
    const not = acting.opener("Not obtained…", "not_obtained", { key: what });
    const node = kv.el("li", { "data-due": what }, text, at, not);
    return {
      node,
      update(due, nowUs) {
        const said = kv.words.due(due, nowUs);
        kv.text(text, said.text);
        kv.text(at, kv.words.time(due.at_us));
        kv.attr(node, "data-state", said.state);
        kv.show(not, LATE.includes(due.state));
        kv.attr(not, "aria-label", (due.label || what) + ": not obtained");
      },
    };
  }

  /** "first entered 13:40" of a mark whose time was corrected. */
  const firstEntry = (mark) =>
    mark.first_us !== null && mark.first_us !== mark.at_us ? " (first entered " + kv.words.time(mark.first_us, true) + ")" : "";

  function markRow(acting, key) {
    const text = kv.el("span");
    const at = kv.el("span");
    const id = key.startsWith("id ") ? key.slice(3) : "";
    const node = kv.el("li", { "data-event": id || null }, text, at);
    let correct = null;
    return {
      node,
      update(mark) {
        const by = mark.by && mark.kind !== "phase" ? " · " + mark.by : "";
        kv.text(text, kv.words.mark(mark) + firstEntry(mark) + by);
        kv.text(at, kv.words.time(mark.at_us));
        if (!id || mark.kind !== "mark" || correct) return;
        correct = acting.opener("Correct time…", "correct_mark", { key: id });
        kv.name(correct, "Correct the time of " + kv.words.mark(mark));
        node.append(correct);
      },
    };
  }

  kv.roomLists = function (acting) {
    const due = kv.actArea({});
    const dueList = kv.el("ul", { class: "rows" });
    const nothing = kv.el("li", { class: "quiet" }, "Nothing is due.");
    const dueRows = kv.keyed((what) => dueRow(acting, what));
    const marks = kv.actArea({});
    const markList = kv.el("ul", { class: "rows events" });
    const none = kv.el("li", { class: "quiet" }, "No events yet.");
    const markRows = kv.keyed((key) => markRow(acting, key));
    const devices = kv.roomDevices(acting.roomId);
    due.append(dueList);
    marks.append(markList);

    function update(room, nowUs) {
      const owed = kv.model.owed(room).slice(0, DUE);
      const shown = dueRows(owed.map((each) => each.what));
      shown.forEach((row, i) => row.update(owed[i], nowUs));
      kv.arrange(dueList, shown.length ? shown.map((row) => row.node) : [nothing]);
      // corrected ones may have moved: by time, the newest first
      const recent = [...room.marks].sort((a, b) => b.at_us - a.at_us || b.seq - a.seq).slice(0, EVENTS);
      const events = markRows(recent.map((mark) => (mark.id ? "id " + mark.id : ["seq", mark.seq, mark.at_us, mark.kind].join(" "))));
      events.forEach((row, i) => row.update(recent[i]));
      kv.arrange(markList, events.length ? events.map((row) => row.node) : [none]);
      devices.update(room);
    }
    return { due, marks, devices: devices.node, update };
  };
})(window.kv);
