/* The page of one session: its files for other programs. */
(function (kv) {
  "use strict";

  const { review } = kv;

  review.sections.push({
    id: "exports",
    title: "",
    order: 5,
    load: (place, context) => {
      const bar = kv.jobs.bar("Export");
      const said = kv.el("p", { class: "export-said", role: "status" });
      const wrong = kv.el("p", { class: "export-wrong", role: "alert" });
      const list = kv.el("div", { class: "export-list", id: "export-formats", hidden: true });
      const more = { type: "button", "aria-expanded": "false", "aria-controls": list.id };
      const open = kv.el("button", { ...more, class: "export-open", onclick: toggle }, "Export ▾");
      let loaded = false;

      async function toggle() {
        const show = list.hidden;
        kv.show(list, show);
        kv.attr(open, "aria-expanded", show);
        kv.text(open, show ? "Export ▴" : "Export ▾");
        if (!show || loaded) return;
        loaded = true;
        try {
          fill(await review.get("/api/v1/exports"));
        } catch (error) {
          loaded = false;
          kv.text(wrong, kv.jobs.sentence(error.message));
        }
      }

      function fill({ formats, names }) {
        const named = names ? kv.el("input", { type: "checkbox" }) : null;
        list.replaceChildren(
          ...formats.map((format) => choice(format, () => Boolean(named && named.checked))),
        );
        const label = "With people's names, not “nurse 1”";
        if (named) list.append(kv.el("label", { class: "field check export-names" }, named, label));
      }

      function choice(format, named) {
        const about = kv.el("span", { class: "export-about" }, format.missing || format.about);
        const act = () => start(format, named());
        const button = { type: "button", "data-format": format.id, disabled: Boolean(format.missing) };
        return kv.el("div", { class: "export-format" }, kv.el("button", { ...button, onclick: act }, format.title), about);
      }

      async function start(format, names) {
        kv.text(wrong, "");
        said.replaceChildren();
        try {
          const job = await bar.run("export", { session: context.id, format: format.id, names });
          if (job && place.isConnected) done(job);
        } catch (error) {
          kv.text(wrong, error.message);
        }
      }

      function done(job) {
        const link = kv.el("a", { href: kv.jobs.file(job), download: job.file }, "Save it again");
        const minutes = Math.max(1, Math.floor(job.left_s / 60));
        said.replaceChildren(job.file + " is saved. ", link, " (for " + minutes + " min). ", ...job.facts.notes.map((note) => note + " "));
        link.click();
      }

      const escape = (event) => {
        if (event.key !== "Escape" || list.hidden) return;
        toggle();
        open.focus();
      };
      place.addEventListener("keydown", escape);
      place.append(kv.el("div", { class: "export-row buttons" }, open), list, bar.node, said, wrong);
    },
  });
})(window.kv);
