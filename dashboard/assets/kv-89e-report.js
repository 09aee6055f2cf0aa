/* The page of one session: its report and its REMS sheet on paper, one click each. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const FILES = [
    ["pdf", "Report (PDF)", "/report.pdf", "Two A4 pages: the answers, the trend, every reading and alarm"],
    ["rems", "REMS sheet", "/rems.pdf", "One A4 page: the fields of the REMS form; judgements stay blank"],
  ];

  review.sections.push({
    id: "report",
    title: "",
    order: 5,
    load: (place, context) => {
      const links = FILES.map(([, words, path, about]) => {
        const target = { href: context.path + path, target: "_blank", rel: "noopener", title: about };
        return kv.el("a", { class: "report-file", ...target }, words);
      });
      const print = { type: "button", class: "report-print", onclick: () => window.print() };
      const wrong = kv.el("p", { class: "report-wrong", role: "alert" });
      place.append(
        kv.el("div", { class: "buttons report-files" }, ...links, kv.el("button", print, "Print this page")),
        wrong,
      );
      // What has to be installed first is said before somebody clicks, not in a tab of its own.
      review.get("/api/v1/exports").then(
        ({ formats }) => {
          for (const [index, [id]] of FILES.entries()) {
            const format = formats.find((each) => each.id === id);
            if (!format || !format.missing) continue;
            links[index].remove();
            kv.text(wrong, format.missing + ".");
          }
        },
        (error) => kv.text(wrong, error.message),
      );
    },
  });
})(window.kv);
