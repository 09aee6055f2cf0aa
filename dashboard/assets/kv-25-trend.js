/* The decimated trend of one channel, as in the station: at most 360 buckets of equal width with
   minimum, maximum and last value; the width doubles when they no longer fit. A gap has no
   bucket. */
(function (kv) {
  "use strict";

  const MOST = 360;
  const FIRST_WIDTH_US = 1e6;

  /** A trend that goes on from a trend message, or starts empty for null. */
  kv.trend = function (message) {
    let widthUs = message ? message.width_us : FIRST_WIDTH_US;
    // rows [startUs, minimum, maximum, last], oldest first
    let rows = message ? message.b.map((row) => [...row]) : [];

    function merge(into, row) {
      into[1] = Math.min(into[1], row[1]);
      into[2] = Math.max(into[2], row[2]);
      into[3] = row[3];
    }

    function place(row) {
      const start = Math.floor(row[0] / widthUs) * widthUs;
      const last = rows[rows.length - 1];
      if (!last || start > last[0]) rows.push([start, row[1], row[2], row[3]]);
      else if (start === last[0]) merge(last, row);
      else {
        // late: a reading that the device had kept back
        const at = rows.findIndex((known) => known[0] >= start);
        if (rows[at][0] === start) merge(rows[at], row);
        else rows.splice(at, 0, [start, row[1], row[2], row[3]]);
      }
    }

    function widen() {
      while (rows.length > 1 && (rows[rows.length - 1][0] - rows[0][0]) / widthUs >= MOST) {
        widthUs *= 2;
        const before = rows;
        rows = [];
        before.forEach(place);
      }
    }

    return {
      add(atUs, value) {
        place([atUs, value, value, value]);
        widen();
      },
      get rows() {
        return rows;
      },
      get widthUs() {
        return widthUs;
      },
    };
  };

  /** Splits rows where buckets are missing; `slackUs` is the longest pause that is not a gap. */
  kv.runs = function (rows, widthUs, slackUs) {
    const runs = [];
    let previous = null;
    for (const row of rows) {
      if (previous === null || row[0] - previous > widthUs + slackUs) runs.push([]);
      runs[runs.length - 1].push(row);
      previous = row[0];
    }
    return runs;
  };
})(window.kv);
