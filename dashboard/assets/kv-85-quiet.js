/* The screen inside the room: dark and silent. It shows a steady word and shape for a high
   priority alarm and nothing else that could draw the eye. */
(function (kv) {
  "use strict";

  kv.views.quiet = function (container, roomId) {
    const word = kv.el("p", { class: "quiet-word" });
    const text = kv.el("p", { class: "quiet-text" });
    const time = kv.el("p", { class: "quiet-time" });
    const node = kv.el("div", { class: "quiet-room", "data-room": roomId }, kv.icon("high"), word, text, time);
    container.append(node);
    kv.sound.enable(false);

    function update() {
      const room = kv.model.rooms.get(roomId);
      const nowUs = kv.clock.nowUs();
      const worst = room ? kv.model.alarms(room).find((alarm) => alarm.priority === "high") : null;
      const lost = !kv.link.live();
      kv.attr(node, "data-alarm", worst ? worst.rule : null);
      kv.attr(node, "data-priority", worst ? "high" : null);
      kv.attr(node, "data-condition", worst ? worst.condition : null);
      kv.attr(node, "data-ack", worst ? worst.acked_by : null);
      kv.attr(node, "data-show", worst ? "alarm" : lost ? "lost" : "calm");
      kv.text(word, worst ? "ALARM" : lost ? "No data" : "");
      kv.text(text, worst ? worst.text || worst.rule : "");
      kv.text(time, room && room.session && !lost ? kv.words.dose(room.session, nowUs) : "");
    }
    return {
      title: roomId,
      waves: [],
      update,
      tick: update,
      rebuild: update,
      unmount: () => kv.sound.enable(true),
    };
  };
})(window.kv);
