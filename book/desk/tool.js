// What the tools of the desk have in common: the digit, the noise and the network that all of them
// work on, and how a tool reads its controls, shows images and says what happened.
globalThis.desk = (() => {
  const SETTLED = 700; // milliseconds without a change, after which a screen reader is told
  const shared = { digit: null, seed: 1, network: null };
  const tools = [];

  // Change what all tools work on, and let them all begin anew.
  const share = (changes) => {
    Object.assign(shared, changes);
    document.documentElement.classList.toggle("desk-runs", shared.network !== null);
    for (const tool of tools) tool.refresh();
  };

  // An image of 784 numbers in [-1, 1] on a canvas of 28 x 28 pixels.
  const paint = (canvas, image) => {
    const pixels = new ImageData(28, 28);
    image.forEach((value, k) => {
      const grey = Math.round((Math.min(Math.max(value, -1), 1) + 1) * 127.5);
      pixels.data.set([grey, grey, grey, 255], 4 * k);
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  };

  const error = (image, truth) =>
    Math.sqrt(image.reduce((sum, value, k) => sum + (value - truth[k]) ** 2, 0) / image.length);

  const print = (value, decimals = 2) => value.toFixed(decimals).replace("-", "−");

  // Start a tool wherever it is on the page. `begin` gets an object that reads and shows, and returns
  // what to do when a control, the digit or the network has changed.
  const tool = (name, begin) => {
    for (const root of document.querySelectorAll(`.desk-${name}`)) start(root, begin, name);
  };

  let count = 0;
  const start = (root, begin, name) => {
    const owner = `${name}-${++count}`, find = (selector) => root.querySelector(selector);
    let timer, asking = 0, waiting = null;

    const me = {
      root, find,
      input: (key) => find(`[name="${key}"]`),
      number: (key) => Number(find(`[name="${key}"]`).value),
      checked: (key) => find(`[name="${key}"]`).checked,
      show(tile, image, title) {
        paint(find(`canvas[data-tile="${tile}"]`), image);
        me.title(tile, title);
      },
      title(tile, text) {
        find(`canvas[data-tile="${tile}"]`).setAttribute("aria-label", text);
        find(`[data-title="${tile}"]`).textContent = text;
      },
      write(key, text) {
        const output = find(`output[data-value="${key}"]`);
        if (output) output.textContent = text;
        me.input(key)?.setAttribute("aria-valuetext", text);
      },
      say(text) {
        find(".desk-says").textContent = text;
        clearTimeout(timer);
        timer = setTimeout(() => { find(".desk-heard").textContent = text; }, SETTLED);
      },
      // Ask for something that takes a while; whatever this tool has asked before is ended.
      ask: (kind, request, hear) =>
        engine.ask(owner, kind, { network: shared.network, ...request }, (answer) => {
          if ("failed" in answer) me.say(answer.failed);
          else hear(answer);
        }),
      stop: () => engine.stop(owner),
      // Ask for estimates, a list of requests. While a slider moves, those under way are finished
      // and only the newest of the others begin: so there is always something to see.
      estimate(requests, hear) {
        waiting = { requests, hear };
        if (!asking) estimateNext();
      },
      refresh() { if (shared.network !== null && shared.digit) me.change(); },
    };
    const estimateNext = async () => {
      asking++;
      while (waiting) {
        const { requests, hear } = waiting, results = [];
        waiting = null;
        for (const request of requests) {
          results.push(await new Promise((resolve) => {
            engine.ask(owner, "estimate", { network: shared.network, ...request }, resolve);
          }));
        }
        const failed = results.find((answer) => "failed" in answer);
        if (failed) me.say(failed.failed);
        else hear(results.map((answer) => answer.done));
      }
      asking--;
    };
    me.change = begin(me) ?? (() => {});
    tools.push(me);
    for (const input of root.querySelectorAll("input, select")) {
      input.addEventListener("input", () => {
        if (input.type === "range") me.write(input.name, input.value);
        me.refresh();
      });
    }
    for (const button of root.querySelectorAll("[data-noise]")) {
      button.addEventListener("click", () => share({ seed: shared.seed + 1 }));
    }
    root.classList.add("desk-ready");
  };

  // The digit with the noise of a timestep.
  const noised = (t) =>
    diffusion.addNoise(shared.digit, t, diffusion.gaussian(784, shared.seed));

  // The numbers that condlesson.figures.moving.pack has packed.
  const unpack = ({ step, base64 }) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from(
      { length: bytes.length / 2 }, (_, k) => view.getInt16(2 * k, true) * step);
  };

  return { error, noised, paint, print, share, shared, tool, unpack };
})();
