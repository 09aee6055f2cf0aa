/* A reading of a cuff that goes from room to room waits until somebody says whose it is: a banner on
   every page, with the rooms as buttons. A guess would be another patient's blood pressure. */
(function (kv) {
  "use strict";

  const WHY_NOT = ["Nobody's: a test of the cuff", "Patient without a session", "Measured wrongly"];

  /** "BP 128/82, PR 70". */
  function values(held) {
    const { nibp_sys: sys, nibp_dia: dia, nibp_map: map, ...rest } = held.values;
    const write = (channel, value) => kv.words.value(channel, value);
    const both = [sys, dia].map((value) => (value === undefined ? kv.NONE : write("nibp_sys", value))).join("/");
    const pressure = sys !== undefined || dia !== undefined ? "BP " + both : map !== undefined && "MAP " + write("nibp_map", map);
    const label = (channel) => (kv.CHANNELS[channel] || { label: channel }).label;
    const others = Object.entries(rest).map(([channel, value]) => label(channel) + " " + write(channel, value));
    return [pressure, ...others].filter(Boolean).join(", ");
  }

  function words(held, nowUs) {
    // in whole minutes: it is read out anew whenever it changes
    const ageS = nowUs === null ? null : (nowUs - held.at_us) / kv.US;
    const age = ageS === null ? "" : ageS < 60 ? ", just now" : ", " + kv.words.age(ageS) + " ago";
    return values(held) + ", " + held.device + age + ": whose is it?";
  }

  /** What the reading is judged against by a person who chooses: the room's last own blood pressure. */
  function hint(room, nowUs) {
    const last = room.numerics.nibp_sys;
    const dia = room.numerics.nibp_dia;
    if (!last || !dia || last.value === null || nowUs === null) return "";
    const age = kv.words.age((nowUs - last.at_us) / kv.US);
    return "last " + kv.words.value("nibp_sys", last.value) + "/" + kv.words.value("nibp_dia", dia.value) + ", " + age + " ago";
  }

  function row(id) {
    const text = kv.el("strong", { class: "held-words" });
    const rooms = kv.el("span", { class: "held-rooms" });
    const make = kv.keyed((roomId) => {
      const claim = kv.commandButton("", () => ({ kind: "claim_reading", room: roomId, args: { held: id } }));
      kv.attr(claim.button, "data-claim-room", roomId);
      const node = claim.node;
      node.claim = claim.button;
      return node;
    });
    const outcome = kv.el("span", { class: "outcome", role: "status" });
    const send = kv.sender();
    const discard = kv.el("button", { type: "button", class: "held-discard" }, "Discard…");
    discard.addEventListener("click", async () => {
      const answer = await kv.ask({
        title: "Discard this reading?",
        text: text.textContent.replace(": whose is it?", ".") + " It stays in no patient's record; who discarded it and why is kept.",
        choices: WHY_NOT.map((why) => [why, why]),
        fields: [{ name: "reason", label: "Another reason", maxlength: 200 }],
        confirm: "Discard",
        danger: true,
      });
      const reason = answer && (answer.choice || answer.reason);
      if (!reason) return;
      const [first] = kv.model.rooms.keys();
      const said = kv.outcomeOf(await send({ kind: "discard_reading", room: first || "", args: { held: id, reason } }));
      outcome.dataset.outcome = said.state;
      kv.text(outcome, said.text);
    });
    const acts = kv.actArea({ class: "held-acts" }, rooms, discard, outcome);
    return {
      node: kv.el("div", { class: "banner banner-held", role: "alert", "data-held": id }, text, acts),
      update(held, nowUs) {
        kv.text(text, words(held, nowUs));
        const open = [...kv.model.rooms.values()].filter((room) => room.session);
        const shown = make(open.map((room) => room.id));
        shown.forEach((node, i) => {
          kv.text(node.claim, open[i].label);
          kv.attr(node.claim, "title", hint(open[i], nowUs) || null);
          kv.attr(node.claim, "aria-label", open[i].label + ": it is this patient's. " + hint(open[i], nowUs));
        });
        kv.arrange(rooms, shown);
      },
    };
  }

  /** @returns {node, update()} */
  kv.heldBanner = function () {
    const node = kv.el("div", { class: "held" });
    const rows = kv.keyed(row);
    return {
      node,
      update() {
        const nowUs = kv.clock.nowUs();
        const waiting = [...kv.model.held.values()].sort((a, b) => a.at_us - b.at_us);
        const shown = rows(waiting.map((held) => held.id));
        shown.forEach((each, i) => each.update(waiting[i], nowUs));
        kv.arrange(node, shown.map((each) => each.node));
      },
    };
  };
})(window.kv);
