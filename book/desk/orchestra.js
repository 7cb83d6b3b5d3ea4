// A divided orchestra: every block is told a time of its own, and gamma or beta can be muted.
desk.tool("orchestra", (tool) => {
  const { error, noised, print } = desk;
  const SHOWN = 32, LIMIT = 1; // channels, and the largest value that fits

  // Bars of a block's first channels, up from the middle for what is above 0.
  const bars = (values) => Array.from(values?.subarray(0, SHOWN) ?? [], (value, k) => {
    const height = Math.max(Math.min(value / LIMIT, 1), -1) * 14;
    return `M${(4 * k + 2).toFixed(1)} 15V${(15 - height).toFixed(1)}`;
  }).join("");
  const drawBars = (scores) => {
    for (const block of unet.BLOCKS) {
      tool.input(block).disabled = !scores[block]; // nothing there is told the time
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
  // Blocks that are told the truth stay with it.
  let before = t();
  tool.input("true").addEventListener("input", () => {
    for (const block of unet.BLOCKS) {
      if (tool.number(block) !== before) continue;
      tool.input(block).value = t();
      tool.write(block, t());
    }
    before = t();
  });
  tool.find(".desk-truth").addEventListener("click", () => tell(() => t()));
  tool.find(".desk-bottleneck").addEventListener("click", () =>
    tell((block) => (block === "bottleneck" ? 0 : t())));

  const change = () => {
    const true_ = t(), x_t = noised(true_), muted = tool.input("mute").value;
    const told = Object.fromEntries(unet.BLOCKS.map((block) => [block, {
      t: tool.number(block),
      gamma: !["gamma", "both"].includes(muted),
      beta: !["beta", "both"].includes(muted),
    }]));
    tool.estimate({ x_t, t: true_, told }, (played, truth) => {
      const [wrong, least] = [played, truth].map(({ x_0 }) => error(x_0));
      tool.show("noised", x_t, `noised, t = ${true_}`);
      tool.show("truth", truth.x_0, "all told the truth");
      tool.show("played", played.x_0, "as told here");
      drawBars(played.scores);
      // Not every network has all of them.
      const has = (kind) => Object.values(played.scores).some((scores) => scores[kind]);
      const lied = unet.BLOCKS.filter((block) => played.scores[block] && told[block].t !== true_);
      const mutes = ["gamma", "beta"].filter((kind) => [kind, "both"].includes(muted));
      const silent = mutes.filter(has);
      tool.say((lied.length ? `Lied to: ${lied.join(", ")}. ` : "All are told the truth. ")
        + (silent.length ? `Muted: ${silent.join(" and ")}. ` : "")
        + (silent.length < mutes.length ? "This network has no gamma. " : "")
        + `The error is ${print(wrong)}`
        + (lied.length || silent.length ? `, ${print(wrong / least, 1)} times that of the truth.` : "."));
    });
  };
  return { change };
});
