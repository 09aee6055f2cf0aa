/* Where each thing can be done that the record owes: the key of what is owed says it. */
(function (kv) {
  "use strict";

  /** @param choose (tab) => void
      @returns (key, opener) => void */
  kv.owedPlaces = function (acting, choose) {
    const panel = (name) => {
      const found = document.querySelector(".room-" + name);
      if (found) found.scrollIntoView({ block: "nearest" });
    };
    const places = {
      checkin(group) {
        choose("checkin");
        const found = document.querySelector('[data-group="' + CSS.escape(group) + '"]');
        if (found) found.scrollIntoView({ block: "start" });
      },
      gate: (_, opener) => acting.sheets.open("override", "", opener),
      dose: (n, opener) => acting.sheets.open("dose_details", n, opener),
      "infusion-end": (_, opener) => acting.sheets.open("infusion_end", "", opener),
      "own-alarm": () => panel("devices"),
      adverse: (id, opener) => acting.sheets.open("adverse_event", id, opener),
      discharge(id) {
        const found = document.querySelector('[data-criterion="' + CSS.escape(id) + '"] button:not([hidden])');
        if (found) found.focus();
      },
      signature(_, opener) {
        acting.sheets.open("sign_discharge", "", opener);
      },
    };
    return function (key, opener) {
      const [what, ...rest] = key.split(":");
      if (places[what]) places[what](rest.join(":"), opener);
      else if (acting.room.due.has(key)) acting.sheets.open("not_obtained", key, opener);
    };
  };
})(window.kv);
