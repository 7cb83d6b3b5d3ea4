// What the tools of the desk have in common: the digit, the noise and the network that all of them
// work on (`deskFiles` says what the site has), and how a tool reads its controls, shows images and
// says what happened.
globalThis.desk = (() => {
  const SETTLED = 700; // milliseconds without a change, after which a screen reader is told
  const { digits } = deskFiles;
  const tools = [];

  // A digit of the test images: 784 numbers in [-1, 1].
  const sample = (k) =>
    Float32Array.from(atob(digits[k]), (letter) => letter.charCodeAt(0) / 127.5 - 1);
  const shared = { digit: sample(6), seed: 1, network: null, changes: 0 };

  // Change what all tools work on, and let them all begin anew. Without a network they rest.
  const share = (changes) => {
    Object.assign(shared, changes, { changes: shared.changes + 1 });
    document.documentElement.classList.toggle("desk-runs", shared.network !== null);
    document.querySelectorAll(".desk-fields").forEach((fields) => {
      fields.disabled = shared.network === null;
    });
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

  // Root mean square of what an image misses the digit by.
  const error = (image) => Math.sqrt(
    image.reduce((sum, value, k) => sum + (value - shared.digit[k]) ** 2, 0) / image.length);

  const print = (value, decimals = 2) => value.toFixed(decimals).replace("-", "−");

  // Start a tool wherever it is on the page. `begin` gets an object that reads and shows, and returns
  // what the tool has of its own, as it is said there.
  const tool = (name, begin) => {
    for (const root of document.querySelectorAll(`.desk-${name}`)) start(root, begin, name);
  };

  let count = 0;
  const start = (root, begin, name) => {
    const owner = `${name}-${++count}`;
    const OWN = ":not(.moving-parts *)"; // a figure that moves may be in there, with its controls
    const find = (selector) => root.querySelector(`${selector}${OWN}`);
    let timer, asking = false, waiting = null, kept = {};

    const me = {
      root, find,
      input: (key) => find(`[name="${key}"]`),
      number: (key) => Number(find(`[name="${key}"]`).value),
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
      said: () => find(".desk-says").textContent,
      say(text) {
        find(".desk-says").textContent = text;
        clearTimeout(timer);
        // Of what all tools say after a change, only that is heard which the reader works with.
        timer = setTimeout(() => {
          if (root.contains(document.activeElement)) find(".desk-heard").textContent = text;
        }, SETTLED);
      },
      // Ask for something that takes a while; whatever this tool has asked before is ended.
      ask: (kind, request, hear) =>
        engine.ask(owner, kind, { network: shared.network, ...request }, (answer) => {
          if ("failed" in answer) me.say(answer.failed);
          else hear(answer);
        }),
      stop: () => engine.stop(owner),
      // Ask for the estimate of a noised image as `request` says, and for that with the truth. While
      // a slider moves, what is under way is finished and only the newest of the others begins: so
      // there is always something to see.
      estimate(request, hear) {
        waiting = { request, hear };
        if (!asking) estimateNext();
      },
      refresh() {
        if (shared.network !== null) return me.change();
        waiting = null; // there is nobody left to ask
        me.rest();
      },
      // What a tool may have of its own: what to do when a control, the digit or the network has
      // changed, and when no network runs.
      change() {},
      rest: () => me.say(""),
    };
    const answerTo = (request) => new Promise((resolve) => {
      engine.ask(owner, "estimate", { network: shared.network, ...request }, resolve);
    });
    const estimateNext = async () => {
      asking = true;
      while (waiting) {
        const { request: { x_t, t, ...others }, hear } = waiting, { changes } = shared;
        waiting = null;
        const made = await answerTo({ x_t, t, told: diffusion.everywhere(t), ...others });
        if (kept.t !== t || kept.changes !== changes) {
          kept = { t, changes, truth: await answerTo({ x_t, t, told: diffusion.everywhere(t) }) };
        }
        if (changes !== shared.changes) continue; // it is about another digit or network
        const failed = made.failed ?? kept.truth.failed;
        if (failed) me.say(failed);
        else hear(made.done, kept.truth.done);
      }
      asking = false;
    };
    Object.assign(me, begin(me));
    tools.push(me);
    const controls = ':is(input:not([type="file"]), select:not(.desk-network, .desk-digit))';
    for (const input of root.querySelectorAll(`${controls}${OWN}`)) {
      input.addEventListener("input", () => {
        if (input.type === "range") me.write(input.name, input.value);
        me.refresh();
      });
    }
    const on = (selector, event, act) => {
      for (const it of root.querySelectorAll(selector)) it.addEventListener(event, act);
    };
    on("[data-noise]", "click", () => share({ seed: shared.seed + 1 }));
    on(".desk-begin", "click", () => running.toggle(me));
    on(".desk-network", "change", ({ target }) => running.choose(target.value, me));
    on(".desk-digit", "change", ({ target }) => share({ digit: sample(target.value) }));
    // Whatever is pressed is heard from now on.
    for (const it of root.querySelectorAll(":is(button, input, select)[disabled]")) it.disabled = false;
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

  return { error, noised, paint, print, sample, share, shared, tool, unpack };
})();
