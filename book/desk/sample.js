// Sample: from noise to a digit by DDIM, step by step, forward and back. A network that is told
// classes draws the one that is asked for.
desk.tool("sample", (tool) => {
  const { shared, share, print } = desk;
  const [draw, slider] = [tool.find(".desk-draw"), tool.input("step")];
  const digits = [...tool.root.querySelectorAll("[data-digit]")];
  const toldClass = tool.find(".desk-told"), startsClass = tool.find(".desk-untold button");
  let steps = [], x_T = null, started = 0, asked = "", about = "";
  let own = ""; // what this tool has said last of its drawing
  const say = (text) => tool.say(own = text);

  const show = () => {
    slider.value = Math.min(slider.value, steps.length); // the others are still to be drawn
    const k = Number(slider.value) - 1;
    const { t, told, x, x_0 } = steps[k] ?? {};
    tool.show("x", x ?? x_T, x ? `x after step ${k + 1}` : "the noise to start from");
    tool.show("estimate", x_0 ?? x_T, x_0 ? `estimate at t = ${t}, told ${told}` : "no estimate yet");
    tool.write("step", `${k + 1} of ${slider.max}`);
  };

  const label = () => (asked && running.isToldClass() ? Number(asked) : undefined);
  const scale = () => tool.number("scale");
  // What a drawing was made with, where that is anything but the truth alone.
  const guided = () => (scale() === 1 ? "without guidance"
    : `with a guidance scale of ${scale()}: two predictions a step`);
  const describe = () =>
    (label() === undefined ? "" : ` It was asked for a ${asked}, ${guided()}.`)
      + (tool.input("tell").value === "true" ? "" : " It was told one timestep all the way.");

  const finish = () => {
    const seconds = (performance.now() - started) / 1000;
    draw.textContent = "Draw a digit";
    say(`${steps.length} steps took ${print(seconds, 1)} seconds.${about} Go back and forth with `
      + "the slider.");
  };

  const begin = () => {
    const count = tool.number("steps"), always = tool.input("tell").value;
    const on = [...tool.root.querySelectorAll("[data-bug]:checked")];
    steps = [];
    started = performance.now();
    about = describe();
    slider.max = count;
    slider.value = 0;
    x_T = diffusion.gaussian(784, shared.seed);
    draw.textContent = "Stop";
    say(`Drawing in ${count} steps.`);
    const request = {
      x_T,
      steps: count,
      always: always === "true" ? undefined : Number(always),
      ...(label() === undefined ? {} : { label: label(), scale: scale() }),
      bugs: Object.fromEntries(on.map((input) => [input.dataset.bug, true])),
    };
    tool.ask("sample", request, ({ step }) => {
      if (!step) return finish();
      const follows = Number(slider.value) === steps.length; // the reader may have gone back
      steps.push(step);
      if (follows) slider.value = steps.length;
      show();
    });
  };

  draw.addEventListener("click", () => {
    if (draw.textContent !== "Stop") return begin();
    tool.stop();
    draw.textContent = "Draw a digit";
    say("Stopped.");
  });
  tool.find(".desk-another").addEventListener("click", () => { share({ seed: shared.seed + 1 }); begin(); });
  for (const button of digits) {
    button.addEventListener("click", () => {
      asked = button.dataset.digit;
      for (const other of digits) other.setAttribute("aria-pressed", other === button);
      begin();
    });
  }
  startsClass?.addEventListener("click", () => running.start("class", tool));

  // Steps of another network are none of this one.
  const empty = () => {
    tool.stop();
    if (tool.said() === own) say("");
    draw.textContent = "Draw a digit";
    [steps, slider.value] = [[], 0];
  };
  let of = null;
  const change = () => {
    if (of !== shared.network) empty();
    of = shared.network;
    if (!steps.length && draw.textContent !== "Stop") x_T = diffusion.gaussian(784, shared.seed);
    if (toldClass) toldClass.disabled = !running.isToldClass();
    if (startsClass) startsClass.disabled = running.isToldClass();
    show();
  };
  const rest = () => {
    empty();
    of = null;
    if (startsClass) startsClass.disabled = false;
    tool.say("");
  };
  return { change, rest };
});
