/* Review of one session: its course as a figure, and what happened. */
(function (kv) {
  "use strict";

  const { review } = kv;
  const EVENTS = ["Time", "What", "Detail", "Who"];
  const CONFIG = { displaylogo: false, responsive: true };

  review.sections.push({
    id: "course",
    title: "",
    order: 10,
    load: async (place, context) => {
      const plot = kv.el("div", { class: "review-plot" });
      place.append(plot);
      const asked = [kv.plotly(), review.get(context.path + "/figure")];
      const [plotly, figure] = await Promise.all(asked);
      if (place.isConnected) plotly.newPlot(plot, figure.data, figure.layout, CONFIG);
    },
  });

  review.sections.push({
    id: "events",
    title: "Alarms and events",
    order: 90,
    load: (place, { session, body }) => {
      const rows = body.audit.map((each) => [
        review.second(each.at_us, session),
        each.kind.replaceAll("_", " "),
        each.text,
        each.actor,
      ]);
      place.append(review.table("Alarms and events", EVENTS, rows));
      if (body.audit_total > body.audit.length) {
        const words = "The first " + body.audit.length + " of " + body.audit_total + " rows are shown.";
        place.append(kv.el("p", { class: "empty" }, words));
      }
    },
  });
})(window.kv);
