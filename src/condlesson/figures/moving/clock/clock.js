// The clock with many hands: all hands of the embedding at one timestep, one of them chosen, with
// the row of numbers that they show, and the way of the chosen one through the whole run.
moving.figure("clock", ({ frequencies, steps }) => {
  const { add, colour, path, print } = moving;
  const last = frequencies.length - 1;
  const TURNS = 12; // of a hand that are drawn at most
  const POINTS = 600; // of a curve
  const angle = (hand, t) => Math.fround(t * frequencies[hand]); // float32, as in the package
  const degrees = (hand, t) => angle(hand, t) * 180 / Math.PI;
  const wholeRun = (hand) => degrees(hand, steps);
  const period = (hand) => 2 * Math.PI / frequencies[hand];
  const turned = (value) => (value < 720 ? `${print(value, 1)}°` : `${print(value / 360, 1)} turns`);
  const decimals = (value) => (value > 100 ? 0 : 2);

  const drawFace = (stage, x, y, radius, t, hand) => {
    const tip = (turn, length) => [x + length * Math.sin(turn), y - length * Math.cos(turn)];
    const line = (turn, from, to, attributes) => {
      const [[x1, y1], [x2, y2]] = [tip(turn, from), tip(turn, to)];
      return add(stage, "line", { x1, y1, x2, y2, ...attributes });
    };
    const whole = angle(hand, steps);
    if (whole < 2 * Math.PI) {
      const [[x1, y1], [x2, y2]] = [tip(0, radius), tip(whole, radius)];
      const large = whole > Math.PI ? 1 : 0;
      const d = `M${x} ${y}L${x1} ${y1}A${radius} ${radius} 0 ${large} 1 ${x2} ${y2}Z`;
      add(stage, "path", { d, class: "moving-range" });
    } else {
      add(stage, "circle", { cx: x, cy: y, r: radius, class: "moving-range" });
    }
    add(stage, "circle", { cx: x, cy: y, r: radius, class: "moving-rim" });
    for (let minute = 0; minute < 60; minute += 1) {
      const size = minute % 5 ? 0.96 : 0.92;
      line(minute * Math.PI / 30, radius * size, radius, { class: "moving-axis" });
    }
    for (let k = 0; k <= last; k += 1) {
      const fast = 1 - k / last;
      const drawn = line(angle(k, t), 0, radius * (0.5 + 0.4 * fast), { class: "moving-hand" });
      drawn.style.setProperty("--fast", `${Math.round(100 * fast)}%`);
    }
    const length = radius * (0.5 + 0.4 * (1 - hand / last));
    line(angle(hand, t), 0, length, { class: "moving-chosen" });
    const [cx, cy] = tip(angle(hand, t), length);
    add(stage, "circle", { cx, cy, r: 5, class: "moving-dot" });
    add(stage, "circle", { cx: x, cy: y, r: 5, class: "moving-dot" });
  };

  // The row of the embedding as two strips, hand by hand the sine above the cosine.
  const drawRow = (stage, left, top, width, height, t, hand) => {
    const cell = width / frequencies.length;
    [["sines", Math.sin], ["cosines", Math.cos]].forEach(([label, wave], k) => {
      const y = top + 16 + k * (height + 24);
      const first = k * frequencies.length;
      const text = `${label}, dimensions ${first} to ${first + last}`;
      add(stage, "text", { x: left, y: y - 5 }, text);
      for (let number = 0; number <= last; number += 1) {
        const fill = colour(wave(angle(number, t)));
        const x = (left + number * cell).toFixed(2);
        add(stage, "rect", { x, y, width: (cell + 0.3).toFixed(2), height, fill });
      }
      const frame = { x: left + hand * cell - 1, y: y - 2, width: cell + 2, height: height + 4 };
      add(stage, "rect", { ...frame, class: "moving-frame" });
    });
    const y = top + 2 * height + 54;
    add(stage, "text", { x: left, y }, "fast");
    add(stage, "text", { x: left + width, y, "text-anchor": "end" }, "slow");
  };

  // The part of the run that is drawn: of a fast hand a few turns around t, or nothing could be seen.
  const part = (t, hand) => {
    const span = Math.min(steps, Math.ceil(TURNS * period(hand)));
    const first = Math.min(Math.max(Math.round(t - span / 2), 0), steps - span);
    return { first, span };
  };

  // Sine and cosine of the chosen hand in that part.
  const drawRun = (stage, left, top, width, height, t, hand) => {
    const { first, span } = part(t, hand);
    const x = (step) => left + (step - first) / span * width;
    const y = (value) => top + (1 - value) / 2 * height;
    add(stage, "line", { x1: left, x2: left + width, y1: y(0), y2: y(0), class: "moving-grid" });
    const waves = [["moving-first", Math.sin], ["moving-second", Math.cos]];
    for (const [kind, wave] of waves) {
      const d = path(POINTS + 1, (k) => {
        const step = first + k / POINTS * span;
        return [x(step), y(wave(angle(hand, step)))];
      });
      add(stage, "path", { d, class: `moving-line ${kind}` });
    }
    const now = { x1: x(t), x2: x(t), y1: top - 4, y2: top + height + 4 };
    add(stage, "line", { ...now, class: "moving-now" });
    for (const [kind, wave] of waves) {
      const place = { cx: x(t), cy: y(wave(angle(hand, t))), r: 4.5 };
      add(stage, "circle", { ...place, class: `moving-dot ${kind}` });
    }
  };

  return (stage, { t, hand }, { width, height }) => {
    const narrow = width < 560;
    const radius = narrow ? Math.min(width / 2 - 12, 130) : height / 2 - 12;
    const left = narrow ? 4 : 2 * radius + 56;
    const top = narrow ? 2 * radius + 34 : 10;
    const across = width - left - 4;
    const tall = narrow ? 30 : 36;
    drawFace(stage, narrow ? width / 2 : radius + 8, radius + 10, radius, t, hand);
    drawRow(stage, left, top, across, tall, t, hand);
    const run = top + 2 * tall + 106;
    const high = height - run - 24;
    const { first, span } = part(t, hand);
    add(stage, "text", { x: left, y: run - 14 }, `hand ${hand}:`);
    add(stage, "text", { x: left + 62, y: run - 14, class: "moving-sine" }, "sine");
    add(stage, "text", { x: left + 100, y: run - 14, class: "moving-cosine" }, "cosine");
    drawRun(stage, left, run, across, high, t, hand);
    add(stage, "text", { x: left, y: height - 4 }, `t = ${first}`);
    const end = { x: left + across, y: height - 4, "text-anchor": "end" };
    add(stage, "text", end, `${first + span - 1}`);

    const row = (k) => [
      `${k}`, print(period(k), decimals(period(k))), turned(degrees(k, t)), turned(wholeRun(k)),
      print(Math.sin(angle(k, t)), 4), print(Math.cos(angle(k, t)), 4),
    ];
    const [, steps_, now, whole, sine, cosine] = row(hand);
    const minutes = print(wholeRun(hand) / 6, 1);
    return {
      label: `A clock with ${last + 1} hands at t = ${t}. Hand ${hand} has turned by ${now}.`,
      says: `A turn of hand ${hand} takes ${steps_} steps. It has turned by ${now}, and turns by `
        + `${whole} in the whole run`
        + (wholeRun(hand) < 360 ? `: as far as a minute hand in ${minutes} minutes.` : ".")
        + ` Its sine is ${sine}, its cosine ${cosine}.`,
      rows: [...new Set([0, 16, 32, 48, 64, 80, 96, 112, last, hand])].sort((a, b) => a - b).map(row),
      zones: [
        {
          left, top, width: across, height: 2 * tall + 50,
          to: (x) => ({ hand: Math.min(Math.floor(x * frequencies.length), last) }),
        },
        { left, top: run - 8, width: across, height: high + 16, to: (x) => ({ t: first + x * span }) },
      ],
    };
  };
});
