// The first screen: a noised six, what the network makes of it, and two marks on one track, the true
// and the told timestep. It shows recorded frames; on request the network itself runs.
desk.tool("first", (tool) => {
  const { error, print, shared } = desk;
  const first = JSON.parse(tool.find("[data-first]").dataset.values);
  const { file, columns, size } = first.sheet, noise = desk.unpack(first.noise);
  const still = matchMedia("(prefers-reduced-motion: reduce)"), sheet = new Image();

  const nearest = (list, t) =>
    list.reduce((best, value, k) => (Math.abs(value - t) < Math.abs(list[best] - t) ? k : best), 0);
  const frame = (tile, number, title) => {
    const canvas = tool.find(`canvas[data-tile="${tile}"]`);
    const [x, y] = [number % columns * size, Math.floor(number / columns) * size];
    canvas.getContext("2d").drawImage(sheet, x, y, size, size, 0, 0, 28, 28);
    tool.title(tile, title);
  };

  // The clock: each hand is a frequency, the fast ones long.
  const hands = tool.find(".desk-clock g");
  const frequencies = Array.from({ length: 128 }, (_, k) => 10000 ** (-k / 128));
  const turn = (t) => {
    hands.innerHTML = frequencies.map((w, k) => {
      const length = 46 - 30 * k / 128, angle = w * t;
      return `<path d="M0 0L${(length * Math.sin(angle)).toFixed(1)} ${(-length * Math.cos(angle)).toFixed(1)}"/>`;
    }).join("");
  };

  const say = (t, told, wrong, least) => tool.say(`Noised to t = ${t}, told ${told}: the error is `
    + `${print(wrong)}` + (t === told ? ", with the truth." : `, ${print(wrong / least, 1)} times `
    + "that with the truth."));

  const showRecorded = (true_, told_) => {
    const j = nearest(first.true, true_), k = nearest(first.told, told_);
    const [t, told, n] = [first.true[j], first.told[k], first.told.length];
    tool.write("true", t);  // what is shown, which is near what the marks say
    tool.write("told", told);
    frame("noised", j, `noised to t = ${t}`);
    frame("answer", columns + j * n + k, `told ${told}`);
    say(t, told, first.errors[j][k], first.errors[j][nearest(first.told, t)]);
  };
  const showLive = (t, told) => {
    const x_t = diffusion.addNoise(shared.digit, t, noise);
    tool.estimate({ x_t, t, told: diffusion.everywhere(told) }, (lied, truth) => {
      tool.show("noised", x_t, `noised to t = ${t}`);
      tool.show("answer", lied.x_0, `told ${told}`);
      say(t, told, error(lied.x_0), error(truth.x_0));
    });
  };
  const update = () => {
    const t = tool.number("true"), told = tool.number("told");
    turn(told);
    tool.write("true", t);
    tool.write("told", told);
    if (shared.network !== null) showLive(t, told);
    else if (sheet.complete && sheet.naturalWidth) showRecorded(t, told);
  };

  // Once, the told time sweeps over the whole clock, unless the reader is faster.
  const sweep = (began) => {
    let touched = false;
    tool.root.addEventListener("pointerdown", () => { touched = true; }, { once: true });
    tool.root.addEventListener("keydown", () => { touched = true; }, { once: true });
    const step = (now) => {
      const share = Math.min((now - began) / 5000, 1);
      if (touched) return;
      tool.input("told").value = share < 1 ? Math.round(999 * share) : tool.number("true");
      update();
      if (share < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  };

  sheet.src = file;
  sheet.onload = () => {
    update();
    if (!still.matches) sweep(performance.now());
  };
  turn(tool.number("told"));
  return { change: update, rest: update };
});
