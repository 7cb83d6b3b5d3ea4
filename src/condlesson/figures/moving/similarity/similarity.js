// The similarity explorer: how alike all timesteps are to a chosen one, for several embeddings.
moving.figure("similarity", (data) => {
  const { add, path, print, unpack } = moving;
  const steps = data.t;
  const spacing = steps[1] - steps[0];
  const last = steps.length - 1;
  const closedForm = unpack(data.closed_form);
  const looks = ["moving-dots", "moving-dashed", "moving-chain", "moving-bold"];
  const curves = Object.entries(data.matrices).map(([label, packed], k) => {
    const upper = unpack(packed); // row by row, from the diagonal on
    const start = (j) => j * steps.length - j * (j - 1) / 2;
    const at = (j, k) => upper[start(Math.min(j, k)) + Math.abs(j - k)];
    return { label, at, look: looks[k], lowest: Math.min(...upper) };
  });
  const lowest = Math.floor(Math.min(...curves.map((curve) => curve.lowest)) * 4) / 4;

  // From where to where, around t, all are more than half alike to it.
  const reach = (at, t) => {
    let [from, to] = [t, t];
    while (from > 0 && at(t, from - 1) > 0.5) from -= 1;
    while (to < last && at(t, to + 1) > 0.5) to += 1;
    return [steps[from], steps[to]];
  };

  const drawAxes = (stage, { x, y, left, right, top, bottom }) => {
    for (let value = lowest; value <= 1; value += 0.25) {
      const kind = value === 0 ? "moving-axis" : "moving-grid";
      add(stage, "line", { x1: left, x2: right, y1: y(value), y2: y(value), class: kind });
      const place = { x: left - 6, y: y(value) + 4, "text-anchor": "end" };
      add(stage, "text", place, print(value, 2));
    }
    for (let t = 0; t < 1000; t += 200) {
      add(stage, "line", { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 5, class: "moving-axis" });
      add(stage, "text", { x: x(t), y: bottom + 36, "text-anchor": "middle" }, t);
    }
    const below = { x: (left + right) / 2, y: bottom + 50, "text-anchor": "middle" };
    add(stage, "text", below, "timestep");
    const middle = (top + bottom) / 2;
    const turned = `rotate(-90 ${left - 42} ${middle})`;
    const place = { x: left - 42, y: middle, "text-anchor": "middle", transform: turned };
    add(stage, "text", place, "cosine similarity");
  };

  // A line or dots, with the look of a curve.
  const drawCurve = (stage, look, n, point) => {
    if (look !== "moving-dots") {
      add(stage, "path", { d: path(n, point), class: `moving-line ${look}` });
      return;
    }
    for (let k = 0; k < n; k += 1) {
      const [cx, cy] = point(k);
      add(stage, "circle", { cx, cy, r: 2, class: look });
    }
  };

  const drawKey = (stage, left, top, lines, other) => {
    add(stage, "text", { x: left, y: top + 4, class: "moving-strong" }, `alike to t′ = ${other}`);
    lines.forEach(({ label, look, value }, k) => {
      const y = top + 28 + 34 * k;
      const dots = look === "moving-dots" ? 3 : 2;
      drawCurve(stage, look, dots, (j) => [left + 3 + j * 26 / (dots - 1), y - 5]);
      add(stage, "text", { x: left + 38, y }, label);
      add(stage, "text", { x: left + 38, y: y + 15, class: "moving-strong" }, print(value, 4));
    });
  };

  return (stage, { t, other }, { width, height }) => {
    const narrow = width < 560;
    const [here, there] = [t / spacing, other / spacing];
    const [left, top] = [narrow ? 56 : 58, 30];
    const right = narrow ? width - 8 : width - 182;
    const bottom = narrow ? height - 262 : height - 58;
    const x = (step) => left + step / steps[last] * (right - left);
    const y = (value) => bottom - (value - lowest) / (1 - lowest) * (bottom - top);
    drawAxes(stage, { x, y, left, right, top, bottom });
    const line = (step, kind) => {
      const ends = { x1: x(step), x2: x(step), y1: top - 8, y2: bottom + 8 };
      add(stage, "line", { ...ends, class: kind });
    };
    line(other, "moving-now");
    line(t, "moving-here");
    const n = steps[last] + 1;
    const closed = (step) => [x(step), y(closedForm[Math.abs(step - t)])];
    drawCurve(stage, "moving-closed", n, closed);
    for (const { at, look } of curves) {
      drawCurve(stage, look, steps.length, (k) => [x(steps[k]), y(at(here, k))]);
    }
    const anchor = t < 60 ? "start" : t > steps[last] - 60 ? "end" : "middle";
    const name = { x: x(t), y: top - 14, "text-anchor": anchor, class: "moving-strong" };
    add(stage, "text", name, `t = ${t}`);
    const [middle, low] = [x(other), bottom + 8];
    const d = `M${middle} ${low}l-7 13h14z`;
    add(stage, "path", { d, class: "moving-handle" });
    add(stage, "circle", { cx: x(t), cy: top - 8, r: 5, class: "moving-dot" });

    const closedAt = closedForm[Math.abs(other - t)];
    const lines = [{ label: "closed form", look: "moving-closed", value: closedAt }];
    for (const { label, look, at } of curves) lines.push({ label, look, value: at(here, there) });
    drawKey(stage, narrow ? left : right + 24, narrow ? bottom + 84 : top + 20, lines, other);
    const reaches = curves.map(({ label, at }) => [label, ...reach(at, here)]);
    const [[sinusoid, from, to], trained] = [reaches[0], reaches.at(-1)];
    return {
      label: `Similarity of all timesteps to t = ${t}, for ${curves.length} embeddings: `
        + lines.map(({ label, value }) => `${label} ${print(value, 4)}`).join(", ")
        + ` at timestep ${other}.`,
      says: `More than half alike to t = ${t} are its neighbours from ${from} to ${to} in the `
        + `${sinusoid}, and from ${trained[1]} to ${trained[2]} in the ${trained[0]}.`,
      rows: [
        ["closed form", print(closedAt, 4), "", ""],
        ...curves.map(({ label, at }, k) =>
          [label, print(at(here, there), 4), ...reaches[k].slice(1).map(String)]),
      ],
      zones: [
        {
          left, top: bottom, width: right - left, height: 44,
          to: (place) => ({ other: place * steps[last] }),
        },
        {
          left, top: 0, width: right - left, height: bottom,
          to: (place) => ({ t: place * steps[last] }),
        },
      ],
    };
  };
});
