/* Rules that are switched off: a crossed bell as long as it lasts, who, why and until when. */
(function (kv) {
  "use strict";

  function row(roomId, rule, place) {
    const words = kv.el("span", { class: "rule-words" });
    const on = kv.commandButton("Switch on", () => ({ kind: "rule_on", room: roomId, args: { rule } }));
    const node = kv.el("div", { class: "rule-off", "data-rule-off": rule }, kv.icon("crossed"), words);
    if (place !== "tile") node.append(on.node);
    return {
      node,
      update(alarm, room, nowUs) {
        const name = kv.alarmWords.name(alarm);
        const where = place === "ward" ? room.label + ": " : "";
        const brief = name + " " + alarm.rule_state;
        kv.text(words, place === "tile" ? brief : where + name + " " + kv.alarmWords.ruleOff(alarm, nowUs));
        kv.attr(on.button, "aria-label", "Switch on " + where + name);
      },
    };
  }

  /** @param place "tile", "room" or "ward"
      @returns {node, update([[room, alarm]], nowUs)} */
  kv.rulesOff = function (place) {
    const node = kv.el("div", { class: "rules-off" });
    const rows = kv.keyed((key) => row(...key.split("\n"), place));
    return {
      node,
      update(pairs, nowUs) {
        const shown = rows(pairs.map(([room, alarm]) => room.id + "\n" + alarm.rule));
        shown.forEach((each, i) => each.update(pairs[i][1], pairs[i][0], nowUs));
        kv.arrange(node, shown.map((each) => each.node));
      },
    };
  };
})(window.kv);
