/* One room among hundreds: its numbers with their ages, its worst alarm, and how it is heard. */
(function (kv) {
  "use strict";

  const NO_SESSION = "NO SESSION – not recorded, no alarms";
  const SHORT = { intranasal: "IN", sublingual: "SL" };

  /** The worst alarm of a room in one line. */
  function alarmLine() {
    const shape = kv.el("span", { class: "room-tile-shape" });
    const text = kv.el("b", { class: "room-tile-words" });
    const level = kv.el("span", { class: "room-tile-level" });
    const since = kv.el("span", { class: "room-tile-since" });
    const meta = kv.el("span", { class: "room-tile-meta" }, level, since);
    const node = kv.el("p", { class: "room-tile-alarm" }, shape, text, meta);
    let drawn = "";
    return {
      node,
      update(alarms, room, nowUs, live) {
        const alarm = alarms[0];
        kv.show(node, Boolean(alarm));
        if (!alarm) return kv.attr(node, "data-alarm", null);
        const said = kv.alarmWords.level(alarm, room);
        if (said.shape !== drawn) {
          drawn = said.shape;
          shape.replaceChildren(kv.icon(said.shape), kv.el("b", {}, said.mark));
        }
        kv.attr(node, "data-alarm", alarm.rule);
        kv.attr(node, "data-priority", alarm.priority);
        kv.attr(node, "data-condition", alarm.condition);
        kv.attr(node, "data-ack", alarm.acked_by);
        kv.attr(node, "data-rule", alarm.rule_state);
        kv.attr(node, "data-silent", alarm.silent ? "yes" : null);
        const message = kv.alarmWords.message(alarm, room, nowUs, live);
        kv.text(text, message);
        kv.attr(text, "title", message);
        kv.attr(node, "data-length", message.length > 22 ? "long" : null);
        const age = nowUs === null || !alarm.onset_us ? "" : kv.words.age((nowUs - alarm.onset_us) / kv.US);
        const ended = alarm.condition === "latched" ? "ENDED" : "";
        kv.text(level, [alarm.acked_by && "by " + alarm.acked_by, said.word].filter(Boolean).join(" · "));
        const more = alarms.length > 1 ? "+" + (alarms.length - 1) : "";
        kv.text(since, [(alarm.acked_by ? "✓ " : "") + age, ended, more].filter(Boolean).join(" · "));
        kv.attr(meta, "title", meta.textContent);
      },
    };
  }

  /** @returns {node, link, update(room, nowUs)}; the node is filled at the first update */
  kv.centralTile = function (roomId) {
    const path = "/room/" + encodeURIComponent(roomId).replaceAll("%3A", ":"); // station:room
    const link = kv.el("a", { class: "room-tile-name", href: path, tabindex: -1, onclick: kv.follow }, roomId);
    const node = kv.el("article", { class: "room-tile", "data-room": roomId, "data-session": "none" }, link);
    node.addEventListener("click", (event) => event.target.closest("a") || kv.go(path));
    let parts = null;

    function fill() {
      const [dose, where, phase, due] = ["dose", "where", "phase", "due"].map((name) => kv.el("span", { class: "room-tile-" + name }));
      const vitals = ["spo2", "pulse", "nibp"].map((kind) => kv.vital(kind));
      const alarm = alarmLine();
      const also = kv.el("p", { class: "room-tile-also", hidden: true });
      const calm = kv.el("p", { class: "room-tile-calm" });
      const lost = kv.el("b");
      const rest = kv.el("span");
      const way = kv.el("p", { class: "room-tile-link", hidden: true }, lost, rest);
      const wrong = kv.el("span", { class: "room-tile-wrong" });
      const foot = kv.el("footer", {}, way, due, wrong);
      node.append(
        dose,
        where,
        phase,
        kv.el("div", { class: "room-tile-vitals" }, ...vitals.map((vital) => vital.node)),
        alarm.node,
        also,
        calm,
        foot,
      );
      return { dose, where, phase, due, vitals, alarm, also, calm, way, lost, rest, wrong };
    }

    function update(room, nowUs, serverLive) {
      const place = kv.central.place(roomId);
      if (!room || !place) return;
      parts = parts || fill();
      const said = kv.central.link(place);
      const live = serverLive && said.state === "live";
      const session = room.session;
      kv.text(link, room.label);
      kv.attr(node, "data-link", said.state);
      kv.attr(node, "data-session", session ? session.id : "none");
      kv.attr(node, "data-phase", session ? session.phase : null);
      kv.text(parts.where, kv.central.path(place));
      kv.attr(parts.where, "title", kv.central.path(place));
      kv.text(parts.dose, session ? kv.words.dose(session, nowUs) : "");
      const route = session ? SHORT[session.route] || kv.words.route(session.route) : "";
      const away = kv.words.off(session, nowUs);
      kv.text(parts.phase, session ? away || [session.subject_ref, route, kv.words.phase(session.phase)].join(" · ") : "");
      kv.attr(node, "data-off", away ? "yes" : null);
      parts.vitals.forEach((vital) => vital.update(room, nowUs, live));
      const alarms = kv.model.alarms(room);
      const calling = alarms.filter(kv.alarmWords.calls);
      const open = calling.find((each) => !each.acked_by && each.condition === "active") || calling[0];
      kv.attr(node, "data-worst", open ? open.priority : null);
      kv.attr(node, "data-acked", open && open.acked_by ? "yes" : null);
      parts.alarm.update(alarms, room, nowUs, live);
      const others = alarms.slice(1).map((each) => kv.alarmWords.level(each, room).mark + " " + kv.alarmWords.message(each, room, nowUs, live));
      kv.show(parts.also, others.length > 0);
      kv.text(parts.also, others.join("\n"));
      kv.show(parts.calm, !alarms.length);
      kv.text(parts.calm, alarms.length ? "" : !session ? NO_SESSION : live ? "no alarms" : "alarms not known");
      const wrong = kv.central.station(place.station);
      kv.show(parts.way, said.text !== "");
      kv.text(parts.lost, said.text);
      kv.text(parts.rest, said.rest ? " – " + said.rest : "");
      kv.text(parts.wrong, wrong.join(" · "));
      kv.attr(parts.wrong, "title", wrong.join("\n") || null);
      kv.attr(node, "data-wrong", wrong.length ? "yes" : null);
      const next = kv.nextDue(room, live ? nowUs : null);
      kv.show(parts.due, said.state === "live" && next.state !== "none");
      kv.text(parts.due, next.text);
      kv.attr(parts.due, "data-due", next.state);
    }
    return { node, link, update };
  };
})(window.kv);
