/* The page of one room at the centre: what a nurse sees there, without anything to press, below a
   line that says where the room is and how it is heard. */
(function (kv) {
  "use strict";

  /** @param local the view of a station's room page */
  kv.centralRoom = function (container, roomId, local) {
    const all = kv.el("a", { href: "/", onclick: back }, "All sites");
    const site = kv.el("a", { onclick: kv.follow });
    const clinic = kv.el("a", { onclick: kv.follow });
    const station = kv.el("span");
    const link = kv.el("strong", { class: "central-link", role: "status" });
    const words = kv.el("span", { class: "central-words" });
    const steps = [all, site, clinic, station];
    const path = kv.el("nav", { class: "central-path", "aria-label": "Where this room is" }, ...steps);
    const head = kv.el("header", { class: "central-where" }, path, link, words);
    const inner = kv.el("div", { class: "central-room" });
    container.append(head, inner);
    const view = local(inner, roomId);
    kv.central.begin();

    /** Back to the list as it was asked. */
    function back(event) {
      all.setAttribute("href", kv.centralQuestion.address());
      kv.follow(event);
    }

    function say() {
      const place = kv.central.place(roomId);
      const said = kv.central.link(place);
      const wrong = place ? kv.central.station(place.station) : [];
      const address = (more) => "/?" + new URLSearchParams(more);
      for (const step of [site, clinic, station]) kv.show(step, Boolean(place));
      if (place) {
        kv.text(site, place.site);
        kv.attr(site, "href", address({ site: place.site }));
        kv.text(clinic, place.clinic);
        kv.attr(clinic, "href", address({ site: place.site, clinic: place.clinic }));
        kv.text(station, kv.central.stationName(place.station));
      }
      const rest = said.rest ? " – " + said.rest : "";
      kv.text(link, said.text + rest);
      kv.text(words, wrong.join(" · "));
      kv.attr(container, "data-room-link", place ? said.state : null);
      kv.attr(head, "data-link", place ? said.state : null);
    }
    const both = (act) => () => {
      say();
      act();
    };
    return {
      title: view.title,
      waves: view.waves, // by them the server knows which room to tell of
      update: both(view.update),
      tick: both(view.tick),
      rebuild: both(view.rebuild),
      unmount() {
        kv.attr(container, "data-room-link", null);
        view.unmount();
      },
    };
  };
})(window.kv);
