/* The forms for what is added to a session that is closed: an addendum, a signature.

   Nothing of the record is changed: each is a new row behind its end, and is called recorded only
   when the station has committed it. Until then what was written stays in the form, also over a
   reload, and is sent again as the same command. */
(function (kv) {
  "use strict";

  const { review } = kv;

  const store = {
    get: (key) => JSON.parse(sessionStorage.getItem(key) || "null"),
    set: (key, value) => sessionStorage.setItem(key, JSON.stringify(value)),
    drop: (key) => sessionStorage.removeItem(key),
  };

  function labelled(words, control, ...more) {
    return kv.el("label", { class: "field" }, kv.el("span", { class: "field-label" }, words), control, ...more);
  }

  const toLocal = (us, session) => new Date(us / 1000 + session.utc_offset_s * 1000).toISOString().slice(0, 16);
  const fromLocal = (text, session) => Date.parse(text + "Z") * 1000 - session.utc_offset_s * 1e6;

  /** A text of several lines, with how much of it there may be. */
  function writing(name, words, most) {
    const input = kv.el("textarea", { name, rows: 4, spellcheck: "true", autocomplete: "off" });
    const count = kv.el("span", { class: "added-count", "aria-live": "off" });
    const hint = kv.nameHint(input);
    const length = () => [...input.value.trim()].length;
    const look = () => {
      const long = length() > most;
      kv.text(count, length() > most * 0.8 ? length() + " of " + most + " characters" : "");
      kv.attr(count, "data-long", long ? "yes" : null);
      kv.attr(input, "aria-invalid", long ? "true" : null);
    };
    input.addEventListener("input", look);
    return {
      node: labelled(words, input, count, hint.node),
      input,
      wrong: () => (length() > most ? "This is too long: at most " + most + " characters." : ""),
      look() {
        look();
        hint.look();
      },
    };
  }

  /** What stands below every form: who it will be, the button, and what came of it. */
  function sending(context, { key, kind, label, fields, args, wrong, done }) {
    const draft = "kv-draft added " + context.id + " " + key;
    const kept = store.get(draft) || {};
    let send = kv.sender(kept.open);
    const outcome = kv.el("p", { class: "outcome outcome-line", role: "status" });
    const who = kv.el("p", { class: "added-who" });
    const button = kv.el("button", { type: "submit", class: "primary" }, label);
    const form = kv.el("form", { class: "added-form", "data-form": key, novalidate: true }, ...fields.map((f) => f.node), who, button, outcome);
    const inputs = () => [...form.querySelectorAll("textarea, input, select")];
    const values = () => Object.fromEntries(inputs().filter((i) => i.type !== "radio" || i.checked).map((i) => [i.name, i.value]));

    for (const [name, value] of Object.entries(kept.values || {})) {
      for (const input of inputs().filter((each) => each.name === name)) {
        if (input.type === "radio") input.checked = input.value === value;
        else input.value = value;
      }
    }
    const keep = () => store.set(draft, { values: values(), open: send.unknown() });
    form.addEventListener("input", keep);
    form.addEventListener("change", keep);

    function say(state, text) {
      outcome.dataset.outcome = state;
      kv.text(outcome, text);
    }

    async function submit(event) {
      event.preventDefault();
      if (button.getAttribute("aria-busy") === "true") return;
      const why = wrong();
      if (why) {
        say("error", why);
        return;
      }
      const wanted = { kind, room: context.session.room, args: { session: context.id, ...args() } };
      const open = send.about(wanted);
      keep();
      button.setAttribute("aria-busy", "true");
      say("pending", "Waiting for the record …");
      const result = await send(wanted);
      button.removeAttribute("aria-busy");
      if (result.ok && result.recorded === false) {
        // the same command again, until the record has it
        send = kv.sender(open);
        keep();
        say("unrecorded", "NOT RECORDED yet. What you wrote stays here: press again in a moment; it is not written twice.");
        return;
      }
      keep();
      if (!result.ok) {
        say("error", result.error || "refused by the station");
        if (kv.mustLook(result)) await done(false);
        return;
      }
      store.drop(draft);
      form.reset();
      fields.forEach((field) => field.look && field.look());
      say("done", "Recorded.");
      context.announce("Recorded.");
      await done(true);
    }
    form.addEventListener("submit", submit);
    return {
      form,
      update() {
        const note = kv.who.accounts ? "" : " No accounts here: the name is marked as not authenticated.";
        kv.text(who, "Stands in the record under “" + kv.who.name + "”." + note);
        fields.forEach((field) => field.look && field.look());
      },
    };
  }

  function addendumForm(context, told, done) {
    const { session } = context;
    const text = writing("text", "What is to be added", told.most_text);
    const when = kv.el("input", { type: "datetime-local", name: "about", min: toLocal(session.started_us - 86400e6, session) });
    const choices = told.correctable.map((row) => {
      const words = review.minute(row.at_us, session).slice(11) + " " + kv.words.short(row.text, 60) + " (row " + row.n + ")";
      return kv.el("option", { value: row.n }, words);
    });
    const which = kv.el("select", { name: "corrects" }, kv.el("option", { value: "" }, "nothing"), ...choices);
    const made = sending(context, {
      key: "addendum",
      kind: "addendum",
      label: "Add to the record",
      fields: [
        text,
        {
          node: kv.el(
            "div",
            { class: "added-more" },
            labelled("About which time (in the clinic; may stay empty)", when),
            labelled("Corrects", which),
          ),
        },
      ],
      wrong() {
        if (!text.input.value.trim()) return "Write what is to be added.";
        if (when.value && !Number.isFinite(fromLocal(when.value, session))) return "This is no time.";
        return text.wrong();
      },
      args: () => ({
        text: text.input.value.trim(),
        ...(when.value ? { about_us: fromLocal(when.value, session) } : {}),
        ...(which.value ? { corrects: Number(which.value) } : {}),
      }),
      done,
    });
    return { ...made, text: text.input, which };
  }

  function signatureForm(context, told, done, lastN) {
    const radios = told.statements.map(({ key, text }) =>
      kv.el("label", { class: "added-statement" }, kv.el("input", { type: "radio", name: "statement", value: key }), " " + text),
    );
    const legend = kv.el("legend", {}, "I sign that");
    const comment = writing("comment", "Comment (may stay empty)", told.most_comment);
    const chosen = () => made.form.querySelector("input[name=statement]:checked");
    const made = sending(context, {
      key: "signature",
      kind: "sign_record",
      label: "Sign the record",
      fields: [{ node: kv.el("fieldset", { class: "added-statements" }, legend, ...radios) }, comment],
      wrong: () => (chosen() ? comment.wrong() : "Choose what you sign."),
      args: () => ({ statement: chosen().value, comment: comment.input.value.trim(), seen: lastN() }),
      done,
    });
    return made;
  }

  /** A form behind a button: open when something is written in it already. */
  function folded(label, form, act) {
    const button = kv.el("button", { type: "button", "aria-expanded": "false" }, label);
    const place = kv.el("div", { hidden: true }, form);
    function open(wanted) {
      kv.show(place, wanted);
      kv.attr(button, "aria-expanded", String(wanted));
    }
    button.addEventListener("click", () => {
      open(place.hidden);
      if (!place.hidden) form.querySelector("textarea, input").focus();
    });
    open([...form.querySelectorAll("textarea")].some((each) => each.value.trim()));
    return { node: kv.actArea({ class: "added-act", "data-added-act": act }, button, place), open };
  }

  review.addendaForms = { addendumForm, signatureForm, folded };
})(window.kv);
