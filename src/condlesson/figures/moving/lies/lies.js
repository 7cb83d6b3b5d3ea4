// Tell the network a lie: what it makes of a noised digit when it is told this or that timestep.
moving.figure("lies", ({ t: steps, errors, sheet }) => {
  const { add, colour, print, unpack } = moving;
  const n = steps.length;
  const networks = Object.keys(errors);
  const measured = Object.values(errors).map(unpack);
  // Order of the images: the clean one, those noised to each timestep, then for each network the
  // estimates, row by row a true timestep.
  const noised = (j) => 1 + j;
  const estimate = (network, j, k) => 1 + n + network * n * n + j * n + k;

  // One image of the sheet, with a title.
  const drawImage = (stage, number, x, y, size, title, kind = "") => {
    const pixels = sheet.size;
    const [column, row] = [number % sheet.columns, Math.floor(number / sheet.columns)];
    const viewBox = `${column * pixels} ${row * pixels} ${pixels} ${pixels}`;
    const window = add(stage, "svg", { x, y, width: size, height: size, viewBox });
    const [width, height] = [sheet.columns * pixels, sheet.rows * pixels];
    add(window, "image", { href: sheet.address, width, height, class: "moving-pixels" });
    add(stage, "rect", { x, y, width: size, height: size, class: `moving-rim ${kind}` });
    add(stage, "text", { x, y: y - 6 }, title);
  };

  // All pairs of a true and a told timestep; the colour says how much worse than the truth.
  const drawPairs = (stage, left, top, cell, worse, chosen) => {
    const limit = Math.max(...worse.flat());
    worse.forEach((row, j) => row.forEach((value, k) => {
      const place = { x: left + k * cell, y: top + j * cell, width: cell - 1, height: cell - 1 };
      add(stage, "rect", { ...place, fill: colour(value / limit) });
    }));
    steps.forEach((t, k) => {
      const [x, y] = [left + (k + 0.5) * cell + 4, top + n * cell + 6];
      const turned = { "text-anchor": "end", transform: `rotate(-90 ${x} ${y})` };
      add(stage, "text", { x, y, ...turned }, t);
      const side = { x: left - 6, y: top + (k + 0.5) * cell + 4, "text-anchor": "end" };
      add(stage, "text", side, t);
      const own = { x: left + k * cell, y: top + k * cell, width: cell - 1, height: cell - 1 };
      add(stage, "rect", { ...own, class: "moving-truth" });
    });
    const [j, k] = chosen;
    const frame = { x: left + k * cell - 1, y: top + j * cell - 1, width: cell + 1, height: cell + 1 };
    add(stage, "rect", { ...frame, class: "moving-frame" });
    add(stage, "text", { x: left, y: top - 8 }, "true t downwards, told t across");
  };

  return (stage, { true: j, told: k, network }, { width, height }) => {
    const narrow = width < 560;
    const [left, top] = [38, 24];
    const cell = Math.floor(narrow
      ? Math.min((width - left - 4) / n, 30) : Math.min((height - top - 44) / n, 30));
    const error = (row, column) => measured[network][row * n + column];
    const worse = steps.map((_, row) =>
      steps.map((_, column) => Math.log2(error(row, column) / error(row, row))));
    drawPairs(stage, left, top, cell, worse, [j, k]);
    const across = narrow ? 8 : left + n * cell + 44;
    const down = narrow ? top + n * cell + 68 : top;
    const size = Math.floor(Math.min((width - across - 24) / 2, (height - down - 34) / 2));
    const [second, below] = [across + size + 16, down + size + 28];
    drawImage(stage, noised(j), across, down, size, `noised, t = ${steps[j]}`);
    drawImage(stage, estimate(network, j, k), second, down, size, `told ${steps[k]}`, "moving-frame");
    drawImage(stage, 0, across, below, size, "clean");
    drawImage(stage, estimate(network, j, j), second, below, size, "told the truth");

    const times = (column) => print(error(j, column) / error(j, j), 2);
    return {
      label: `A digit noised to t = ${steps[j]}, and the estimate of ${networks[network]} that is `
        + `told ${steps[k]}: its error is ${print(error(j, k), 4)}.`,
      says: `Noised to t = ${steps[j]} and told ${steps[k]}, ${networks[network]} misses the clean `
        + `digit by ${print(error(j, k), 4)}, root mean square: `
        + (j === k ? "it was told the truth." : `${times(k)} times as much as with the truth.`),
      shown: { true: `${steps[j]}`, told: `${steps[k]}` },
      rows: steps.map((t, column) => [`${t}`, print(error(j, column), 4), times(column)]),
      zones: [
        {
          left, top, width: n * cell, height: n * cell,
          to: (x, y) => ({
            true: Math.min(Math.floor(y * n), n - 1), told: Math.min(Math.floor(x * n), n - 1),
          }),
        },
      ],
    };
  };
});
