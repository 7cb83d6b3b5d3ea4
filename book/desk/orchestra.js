// A divided orchestra: every block is told a time of its own, and gamma or beta can be muted.
desk.tool("orchestra", (tool) => {
  const { error, noised, print, shared } = desk;
  const SHOWN = 32, LIMIT = 1; // channels, and the largest value that fits
  let truth = { of: null };

  // Bars of a block's first channels, up from the middle for what is above 0.
  const bars = (values) => Array.from(values?.subarray(0, SHOWN) ?? [], (value, k) => {
    const height = Math.max(Math.min(value / LIMIT, 1), -1) * 14;
    return `M${(4 * k + 2).toFixed(1)} 15V${(15 - height).toFixed(1)}`;
  }).join("");
  const drawBars = (scores) => {
    for (const block of unet.BLOCKS) {
      for (const kind of ["gamma", "beta"]) {
        tool.find(`[data-bars="${block}-${kind}"]`).setAttribute("d", bars(scores[block]?.[kind]));
      }
    }
  };

  const tell = (choose) => {
    for (const block of unet.BLOCKS) {
      const input = tool.input(block);
      input.value = choose(block);
      tool.write(block, input.value);
    }
    tool.refresh();
  };
  const t = () => tool.number("true");
  tool.find(".desk-truth").addEventListener("click", () => tell(() => t()));
  tool.find(".desk-bottleneck").addEventListener("click", () =>
    tell((block) => (block === "bottleneck" ? 0 : t())));

  return () => {
    const x_t = noised(t()), muted = tool.input("mute").value;
    const told = Object.fromEntries(unet.BLOCKS.map((block) => [block, {
      t: tool.number(block),
      gamma: !["gamma", "both"].includes(muted),
      beta: !["beta", "both"].includes(muted),
    }]));
    const of = [t(), shared.seed, shared.network, shared.digit];
    const known = truth.of?.every((value, k) => value === of[k]);
    const right = { x_t, t: t(), told: diffusion.everywhere(t()) };
    tool.estimate([{ x_t, t: t(), told }, ...(known ? [] : [right])], ([played, asWritten]) => {
      if (asWritten) truth = { of, x_0: asWritten.x_0 };
      const [wrong, least] = [played, truth].map(({ x_0 }) => error(x_0, shared.digit));
      tool.show("noised", x_t, `noised, t = ${of[0]}`);
      tool.show("truth", truth.x_0, "all told the truth");
      tool.show("played", played.x_0, "as told here");
      drawBars(played.scores);
      const lied = unet.BLOCKS.filter((block) => told[block].t !== of[0]);
      tool.say((lied.length ? `Lied to: ${lied.join(", ")}. ` : "All are told the truth. ")
        + (muted === "none" ? "" : `Muted: ${muted === "both" ? "gamma and beta" : muted}. `)
        + `The error is ${print(wrong)}, ${print(wrong / least, 1)} times that of the truth.`);
    });
  };
});
