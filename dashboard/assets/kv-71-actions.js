/* What a nurse can do in a room, in the order in which it is needed. The station decides what is
   allowed and says why not. */
(function (kv) {
  "use strict";

  /** The form that opens a session: the routes are its buttons. */
  function opening(acting) {
    const name = kv.el("input", { name: "subject_ref", type: "text", maxlength: 40, autocomplete: "off", spellcheck: "false" });
    const hint = kv.nameHint(name);
    const wrong = kv.el("p", { class: "form-wrong", role: "alert" });
    const routes = kv.el("div", { class: "act-grid" });
    const label = kv.el("label", { class: "field" }, "Pseudonym (never a name)", name, hint.node);
    const words = kv.el("p", { class: "quiet" }, "The route opens the session: from then on all numbers are recorded and alarms are on.");
    const node = kv.el("section", { class: "opening", "aria-label": "Open a session" }, label, words, routes, wrong);
    const draft = "kv-draft " + acting.roomId + " opening";
    name.value = sessionStorage.getItem(draft) || "";
    hint.look();
    name.addEventListener("input", () => {
      sessionStorage.setItem(draft, name.value);
      kv.text(wrong, "");
    });
    let drawn = "";
    return {
      node,
      update() {
        kv.show(node, !acting.session);
        const known = kv.care.routes();
        if (JSON.stringify(known) === drawn) return;
        drawn = JSON.stringify(known);
        routes.replaceChildren(
          ...known.map(([route, text]) => {
            const button = acting.button(text, {
              kind: "open_session",
              label: "Open session",
              className: "primary big",
              args() {
                const subject = name.value.trim();
                if (subject) return { subject_ref: subject, route };
                kv.text(wrong, "Write the pseudonym first.");
                name.focus();
                return null;
              },
              done() {
                name.value = "";
                sessionStorage.removeItem(draft);
                hint.look();
              },
            });
            button.dataset.route = route;
            return button;
          }),
        );
      },
    };
  }

  /** @param score (scale id) => void: shows the scale
      @returns {node, audio, given, adverse, update(room, nowUs), remove()} */
  kv.roomActions = function (acting, score) {
    const ask = (kind, args) => ({ kind, room: acting.roomId, args });
    const pause = kv.commandButton("Pause all sound 2 min", () => ask("pause_audio", {}));
    const resume = kv.commandButton("Resume audio", () => ask("resume_audio", {}));
    const audio = kv.el("div", { class: "audio" }, pause.node, resume.node);

    const open = opening(acting);
    const gate = kv.gate(acting);
    const dose = kv.doseActs(acting);
    const readings = kv.readingActs(acting);
    const symptoms = kv.symptomActs(acting);
    const marks = kv.markActs(acting);
    const chips = kv.scoreChips(acting, score);
    const adverse = kv.adverse(acting);
    const monitoring = kv.monitoringActs(acting);
    const close = acting.opener("Close session…", "close_session");
    const keys = kv.shortcuts(acting, () => [
      ...marks.shortcuts(),
      ...(acting.session ? [["/", "Note", () => marks.note.click()]] : []),
      ...readings.shortcuts(),
    ]);
    const more = kv.el(
      "div",
      { class: "act-group" },
      kv.el("h3", {}, "Session"),
      kv.el("div", { class: "buttons" }, adverse.add, ...monitoring.nodes, close, keys.node),
    );
    const node = kv.actArea(
      { class: "actions" },
      acting.outcome,
      open.node,
      gate.node,
      dose.first,
      dose.further,
      symptoms.node,
      readings.node,
      marks.node,
      chips.node,
      more,
    );
    // what was asked for may be heard of after the act area has been locked
    const box = kv.el("div", { class: "actions-box" }, node);

    function updateAudio(room, nowUs) {
      const alarms = kv.model.alarms(room);
      const paused = alarms.filter((alarm) => alarm.signal === "paused");
      const until = Math.max(...paused.map((alarm) => alarm.signal_until_us || 0));
      kv.attr(pause.button, "disabled", alarms.some((alarm) => alarm.sounding) ? null : "");
      if (!paused.length && resume.button === document.activeElement) pause.button.focus();
      kv.show(resume.button, paused.length > 0);
      if (paused.length && nowUs !== null)
        kv.text(resume.button, "Resume audio (" + kv.words.clock((until - nowUs) / kv.US + 0.999) + ")");
    }

    function update(room, nowUs) {
      const has = Boolean(room.session);
      updateAudio(room, nowUs);
      for (const part of [open, gate, dose, readings, marks, chips, adverse, monitoring]) part.update();
      for (const part of [symptoms.node, marks.node, more]) kv.show(part, has);
      kv.show(close, has);
    }
    return { node: box, audio, given: dose.list, adverse: adverse.node, update, remove: keys.remove };
  };
})(window.kv);
