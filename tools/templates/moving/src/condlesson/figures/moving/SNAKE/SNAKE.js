// A value at each timestep as a line, with a mark at the chosen one.
moving.figure("SNAKE", ({ label, values: packed }) => {
  const { add, path, print, unpack } = moving;
  const values = unpack(packed);
  const last = values.length - 1;
  const [low, high] = [Math.min(0, ...values), Math.max(...values)];

  return (stage, { t }, { width, height }) => {
    const [left, right, top, bottom] = [44, width - 12, 32, height - 28];
    const x = (step) => left + step / last * (right - left);
    const y = (value) => bottom - (value - low) / (high - low) * (bottom - top);
    for (const value of [low, high]) {
      add(stage, "line", { x1: left, x2: right, y1: y(value), y2: y(value), class: "moving-grid" });
      const place = { x: left - 6, y: y(value) + 4, "text-anchor": "end" };
      add(stage, "text", place, print(value, 2));
    }
    const line = path(last + 1, (step) => [x(step), y(values[step])]);
    add(stage, "path", { d: line, class: "moving-line moving-axis" });
    add(stage, "line", { x1: x(t), x2: x(t), y1: top, y2: bottom, class: "moving-now" });
    add(stage, "circle", { cx: x(t), cy: y(values[t]), r: 5, class: "moving-dot" });
    add(stage, "text", { x: left, y: 14 }, label);
    add(stage, "text", { x: left, y: bottom + 22 }, "t = 0");
    add(stage, "text", { x: right, y: bottom + 22, "text-anchor": "end" }, `${last}`);

    const shown = [...new Set([0, t, last])].sort((a, b) => a - b);
    return {
      label: `${label}, at t = ${t}: ${print(values[t], 4)}.`,
      says: `At t = ${t} it is ${print(values[t], 4)}.`,
      rows: shown.map((step) => [`${step}`, print(values[step], 4)]),
      zones: [
        {
          left, top, width: right - left, height: bottom - top,
          to: (place) => ({ t: Math.round(place * last) }),
        },
      ],
    };
  };
});
