/* What is said of an alarm: its level's word, its message, and what has become of it. */
(function (kv) {
  "use strict";

  const OLD_S = 5; // a running value that is older is not the present one

  const since = (us, nowUs) => (nowUs === null || us === null ? null : (nowUs - us) / kv.US);
  const until = (us, nowUs) => (nowUs === null || us === null ? null : (us - nowUs) / kv.US + 0.999);
  const clock = (seconds) => (seconds === null ? "" : kv.words.clock(seconds));

  /** The age of the value that an alarm names, once it is not the room's present value. */
  function ageOf(alarm, room, nowUs, live) {
    const ageS = since(alarm.value_us, nowUs);
    if (alarm.value === null || ageS === null || ageS < OLD_S) return null;
    if (alarm.side === "technical") return ageS;
    const judged = kv.judge(room.numerics[alarm.channel], nowUs, live);
    return judged.state === "fresh" && !alarm.channel.startsWith("nibp_") ? null : ageS;
  }

  /** "second recipient in 0:22": who is told next when nobody acknowledges; after the last step, who
      was. "" for what goes no further. */
  function escalation(alarm, nowUs) {
    const steps = (kv.model.hello && kv.model.hello.escalation) || [];
    if (alarm.priority !== "high" || alarm.acked_by || !alarmWords.calls(alarm)) return "";
    const told = alarm.escalated ? steps[alarm.escalated - 1] : null;
    const next = alarm.condition === "active" && alarm.raised_us ? steps[alarm.escalated] : null;
    if (next && nowUs !== null) {
      const left = (alarm.raised_us - nowUs) / kv.US + next[0];
      return next[1] + (left > 0 ? " in " + kv.words.clock(left + 0.999) : " now");
    }
    return told ? "told: " + told[1] : "";
  }

  const alarmWords = (kv.alarmWords = {
    escalation,

    /** Shape, mark and word. What does not call has a shape of its own. */
    level(alarm, room) {
      if (alarm.silent) {
        const dosed = room.session && room.session.dose_us !== null;
        return { shape: "hold", mark: kv.HOLD.mark, word: dosed ? "WAITS FOR A SECOND READING" : kv.HOLD.word };
      }
      const shape = alarm.priority in kv.PRIORITIES ? alarm.priority : "info";
      return { shape, mark: kv.PRIORITIES[shape].mark, word: kv.PRIORITIES[shape].word };
    },

    name: (alarm) => alarm.label || alarm.rule,

    /** "SpO2 86 < 88", with ", 12 s ago" when that is what it was. */
    message(alarm, room, nowUs, live) {
      const ageS = ageOf(alarm, room, nowUs, live);
      const age = ageS === null ? "" : ", " + kv.words.age(ageS) + " ago";
      return (alarm.text || alarmWords.name(alarm)) + age;
    },

    /** Level, since when, by whom, what counts down; `more` alarms are not shown beside it. */
    details(alarm, room, nowUs, brief, more) {
      const words = [alarmWords.level(alarm, room).word];
      if (alarm.condition === "latched") words.push("ENDED");
      words.push(clock(since(alarm.onset_us, nowUs)));
      if (alarm.acked_by) words.push((brief ? "✓ " : "acknowledged by ") + alarm.acked_by);
      else if (alarm.escalated) words.push((brief ? "step " : "escalated, step ") + alarm.escalated);
      words.push(escalation(alarm, nowUs));
      if (alarm.signal === "paused") words.push("audio paused " + clock(until(alarm.signal_until_us, nowUs)));
      if (alarm.signal === "off") words.push("audio off");
      if (alarm.rule_state !== "enabled") words.push("rule " + alarm.rule_state);
      if (!brief && alarm.entered_by) {
        const mine = kv.who.is(alarm.entered_by);
        words.push("entered by " + (mine ? "you: silent here" : alarm.entered_by));
      }
      if (more) words.push("+" + more + " more");
      return words.filter(Boolean).join(" · ");
    },

    /** "off by Anna until 10:42 (12:03): moves a lot". */
    ruleOff(alarm, nowUs) {
      const left = clock(until(alarm.rule_until_us, nowUs));
      const end = alarm.rule_until_us === null ? "" : " until " + kv.words.time(alarm.rule_until_us);
      const by = alarm.rule_by ? " by " + alarm.rule_by : "";
      const why = alarm.rule_reason ? ": " + alarm.rule_reason : "";
      return alarm.rule_state + by + end + (left && end ? " (" + left + ")" : "") + why;
    },

    /** Whether it calls somebody now: not a hold, not seen yet, not switched off. */
    calls: (alarm) => !alarm.silent && alarm.rule_state === "enabled",
  });
})(window.kv);
