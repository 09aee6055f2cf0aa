/* A warning where free text looks as if it named the patient: the record knows a pseudonym only.
   It warns and never blocks; a person may have a reason. */
(function (kv) {
  "use strict";

  const WORD = "\\p{Lu}\\p{Ll}+(?:['’-]\\p{Lu}?\\p{Ll}+)*";
  const GIVEN = "(?:(?:O|D|L)['’])?" + WORD;
  const PAIR = new RegExp("(?<![\\p{L}\\p{N}])(" + GIVEN + ")\\s+(?:(?:de|di|da|van|von|der|la|el|al|bin)\\s+)*(" + GIVEN + ")(?![\\p{L}])", "gu");
  const REVERSED = new RegExp("(?<!\\p{L})(" + GIVEN + "),\\s*(" + GIVEN + ")(?!\\p{L})", "gu");
  const INITIAL = new RegExp("(?<!\\p{L})(\\p{Lu}\\.\\s?)+(" + GIVEN + ")(?!\\p{L})", "gu");
  const TITLE = new RegExp(
    "(?<!\\p{L})(?:Mrs?|Ms|Miss|Mister|Madam|Dr|Prof|Professor|Herr|Frau|Monsieur|Madame|Mme|Señor|Señora|Sra?|Sig)\\.?\\s+(?:\\p{Lu}\\.\\s*)?(" + GIVEN + ")",
    "u",
  );
  const EMAIL = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)+/u;
  const PHONE = /(?<![\d.])(?:\+|00)?\(?\d[\d ()/.-]{6,}\d(?!\d)/g;
  const YEAR = "(?:19\\d\\d|20[0-2]\\d)";
  const DAY = "(?:0?[1-9]|[12]\\d|3[01])";
  const MONTH = "(?:0?[1-9]|1[0-2])";
  const DATE = new RegExp(
    "(?<!\\d)(?:" + DAY + "[./-]" + DAY + "[./-]" + YEAR + "|" + YEAR + "[./-]" + MONTH + "[./-]" + DAY + ")(?!\\d)",
  );
  const BORN = /(?:\b(?:DOB|D\.O\.B\.?|born|date of birth|birth ?date)\b|(?<!\p{L})geb(?:oren|\.)(?!\p{L}))/iu;

  // Capitalised words of a session's notes; a pair with one of these is no name.
  const COMMON = new Set(
    (
      "the a an this that these patient pt she he they we i it no not none all after before at on in to with and or for from by as is was has had " +
      "gave given giving took started stopped ended began called calm asked told said says reports reported denies feels felt wants needs " +
      "seen checked repeated moved changed removed replaced restarted now then still again since later mild moderate severe slight good bad new old " +
      "left right upper lower arm hand finger foot leg toe ear chest head back neck blood pressure heart rate pulse oxygen saturation cuff probe sensor " +
      "monitor room bed chair toilet water pain nausea vomiting headache dizziness anxiety tearful sleepy asleep awake alert drowsy restless " +
      "visual change changes shortness breath breathing seizure rash dose infusion injection nasal spray session phase baseline peak onset descent recovery " +
      "discharge check nurse doctor therapist prescriber clinician physician anaesthetist anesthetist team family friend driver escort emergency rescue " +
      "ketamine esketamine midazolam lorazepam ondansetron zofran labetalol nicardipine clonidine metoprolol hydralazine atropine glycopyrrolate naloxone " +
      "saline fluid fluids ringer lactated normal start stop pause end other another battery reading measured manual by hand spo2 nibp moaa mean map " +
      "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december " +
      "am pm ok yes blanket music eye mask lights window door interrupted motion artefact artifact cold warm"
    ).split(" "),
  );
  const known = (word) => COMMON.has(word.toLocaleLowerCase());

  function pairOf(text, pattern) {
    for (const [, one, other] of text.matchAll(pattern)) if (!known(one.trim()) && !known(other)) return true;
    return false;
  }

  /** What in a text looks as if it said who somebody is, in words; "" for nothing. */
  kv.looksLikeName = function (text) {
    if (EMAIL.test(text)) return "an e-mail address";
    if (BORN.test(text) || DATE.test(text)) return "a date of birth";
    const digits = (found) => found.replace(/\D/g, "").length;
    if ((text.match(PHONE) || []).some((found) => digits(found) >= 7 && digits(found) <= 15)) return "a telephone number";
    if (TITLE.test(text)) return "a name";
    for (const [, , other] of text.matchAll(INITIAL)) if (!known(other)) return "a name";
    // A word may end one pair and begin the next: look from each word on.
    const words = text.split(/(?<=\s)(?=\p{Lu})/u);
    for (let i = 0; i < words.length; i += 1) {
      const rest = words.slice(i).join("");
      const pair = [...rest.matchAll(PAIR)][0];
      if (pair && !known(pair[1]) && !known(pair[2])) return "a name";
    }
    return pairOf(text, REVERSED) ? "a name" : "";
  };

  const WARNED = "dialog textarea, dialog input:not([type]), dialog input[type=text]";
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (!input.matches || !input.matches(WARNED) || input.dataset.names === "ok") return;
    const found = kv.looksLikeName(input.value);
    let warning = input.parentElement.querySelector(":scope > .name-warning");
    if (!found && !warning) return;
    if (!warning) {
      warning = kv.el("span", { class: "name-warning", role: "status" });
      input.after(warning);
    }
    kv.text(warning, found ? "This looks like " + found + ". The record knows patients by their pseudonym only." : "");
  });
})(window.kv);
