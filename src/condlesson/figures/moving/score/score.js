// The conductor's score: gamma and beta of every channel at one timestep as bars, and
// what those of a chosen channel do to the histogram of its values.
moving.figure("score", ({ t: steps, channels, edges, blocks }) => {
  const { add, print, unpack } = moving;
  const spacing = steps[1] - steps[0];
  const bins = edges.length - 1;
  const names = Object.keys(blocks);
  const scores = Object.values(blocks).map((block) => {
    const [gamma, beta, passed, densities] =
      [block.gamma, block.beta, block.passed, block.histograms].map(unpack);
    const at = (values) => (step, channel) => values[step * channels + channel];
    const largest = Math.max(...[...gamma, ...beta].map(Math.abs));
    const histogram = (channel) => densities.subarray(channel * bins, (channel + 1) * bins);
    return { gamma: at(gamma), beta: at(beta), passed: at(passed), histogram, largest };
  });

  // A row of bars, up or down from a middle line, with the chosen one on a grey ground.
  const drawFaders = (stage, name, { left, top, width, height }, value, limit, chosen) => {
    const middle = top + height / 2;
    const cell = width / channels;
    const y = (size) => middle - size / limit * height / 2;
    add(stage, "rect", {
      x: left + chosen * cell, y: top, width: cell, height, class: "moving-range",
    });
    for (let k = 0; k < channels; k += 1) {
      const bar = { x: left + (k + 0.14) * cell, width: cell * 0.72 };
      const ends = [y(0), y(value(k))].sort((a, b) => a - b);
      const place = { y: ends[0], height: Math.max(ends[1] - ends[0], 0.5) };
      const kind = name === "γ" ? "moving-gamma" : "moving-beta";
      add(stage, "rect", { ...bar, ...place, class: kind });
    }
    add(stage, "line", { x1: left, x2: left + width, y1: middle, y2: middle, class: "moving-axis" });
    const named = `moving-strong ${name === "γ" ? "moving-gamma" : "moving-beta"}`;
    add(stage, "text", { x: left - 34, y: middle + 4, class: named }, name);
    for (const [size, shift] of [[limit, 10], [-limit, -1]]) {
      const place = { x: left - 5, y: y(size) + shift, "text-anchor": "end" };
      add(stage, "text", place, print(size, 1));
    }
  };

  // A histogram as steps; stretched and shifted, with the area as it was.
  const outline = (densities, stretch, shift, x, y) => {
    const sign = stretch < 0 ? -1 : 1;
    const size = Math.max(Math.abs(stretch), 1e-3);
    const point = (edge, density) => `${x(edge * size * sign + shift).toFixed(2)} ${y(density / size).toFixed(2)}`;
    const parts = [...densities].map(
      (density, k) => `L${point(edges[k], density)}L${point(edges[k + 1], density)}`);
    return `M${point(edges[0], 0)}${parts.join("")}L${point(edges[bins], 0)}Z`;
  };

  const drawHistogram = (stage, { left, top, width, height }, densities, gamma, beta) => {
    const [lowest, highest, tallest] = [-5, 5, 1];
    const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
    const x = (value) => left + (clamp(value, lowest, highest) - lowest) / (highest - lowest) * width;
    const y = (density) => top + height - clamp(density, 0, tallest) / tallest * height;
    add(stage, "rect", { x: left, y: top, width: x(0) - left, height, class: "moving-shut" });
    const after = outline(densities, 1 + gamma, beta, x, y);
    add(stage, "path", { d: after, class: "moving-after" });
    add(stage, "path", { d: outline(densities, 1, 0, x, y), class: "moving-before" });
    const base = { x1: left, x2: left + width, y1: y(0), y2: y(0), class: "moving-axis" };
    add(stage, "line", base);
    add(stage, "line", { x1: x(0), x2: x(0), y1: top, y2: y(0), class: "moving-now" });
    for (let value = -4; value <= 4; value += 2) {
      const place = { x: x(value), y: y(0) + 16, "text-anchor": "middle" };
      add(stage, "text", place, value);
    }
    add(stage, "text", { x: x(0) - 6, y: top + 13, "text-anchor": "end" }, "cut off by the ReLU");
    add(stage, "text", { x: x(0) + 6, y: top + 13 }, "let through");
  };

  const drawKey = (stage, left, y, entries) => {
    let x = left;
    for (const [kind, label] of entries) {
      add(stage, "rect", { x, y: y - 10, width: 16, height: 11, class: kind });
      const text = add(stage, "text", { x: x + 22, y }, label);
      x += 22 + text.getComputedTextLength() + 18;
    }
  };

  return (stage, { t, block, channel }, { width, height }) => {
    const step = t / spacing;
    const { gamma, beta, passed, histogram, largest } = scores[block];
    const limit = Math.ceil(largest * 2) / 2;
    const narrow = width < 560;
    const left = 40;
    const desk = narrow ? width - left - 4 : width * 0.52 - left;
    const tall = narrow ? 104 : (height - 78) / 2;
    const place = (k) => ({ left, top: 20 + k * (tall + 16), width: desk, height: tall });
    const ruled = [["γ", gamma], ["β", beta]];
    ruled.forEach(([name, values], k) =>
      drawFaders(stage, name, place(k), (c) => values(step, c), limit, channel));
    const below = 20 + 2 * tall + 16;
    add(stage, "text", { x: left, y: 12 }, `${names[block]} at t = ${t}`);
    add(stage, "text", { x: left, y: below + 18 }, `channels 0 to ${channels - 1}`);
    const right = narrow ? 10 : left + desk + 34;
    const top = narrow ? below + 56 : 20;
    const room = { left: right, top, width: width - right - 6, height: height - top - 42 };
    const [stretch, shift] = [gamma(step, channel), beta(step, channel)];
    add(stage, "text", { x: right, y: top - 8 }, `values of channel ${channel}`);
    drawHistogram(stage, room, histogram(channel), stretch, shift);
    drawKey(stage, right, height - 6, [["moving-before", "before"], ["moving-after", "after"]]);

    const row = (c) => [
      `${c}`, print(gamma(step, c), 3), print(beta(step, c), 3),
      `${print(100 * passed(step, c), 1)}%`,
    ];
    const [, g, b, share] = row(channel);
    return {
      label: `Gamma and beta of ${channels} channels of ${names[block]} at t = ${t}. Channel `
        + `${channel} has gamma ${g} and beta ${b}; ${share} of its values are above 0 afterwards.`,
      says: `Channel ${channel} of ${names[block]} at t = ${t}: γ = ${g} and β = ${b}. Its values `
        + `are multiplied by ${print(1 + stretch, 3)} and moved by ${b}; the ReLU behind lets `
        + `${share} of them through.`,
      rows: Array.from({ length: channels }, (_, c) => row(c)),
      zones: [
        {
          left, top: 20, width: desk, height: 2 * tall + 16,
          to: (x) => ({ channel: Math.min(Math.floor(x * channels), channels - 1) }),
        },
      ],
    };
  };
});
