// What the network can be asked to do, done in slices: in a worker of the page, or, where a browser
// allows none, on the page itself between all else. Each job has an owner; a new job of the same
// owner ends the old one, and of several owners the last goes first.
globalThis.jobs = (() => {
  const SLICE = 12; // milliseconds, after which the page or new messages have their turn
  const networks = {}; // by name
  let waiting = [], working = false;

  // Each gets the request; what it yields but `undefined` is told, as is what it returns.
  const KINDS = {
    *load({ network, parts }) {
      networks[network] = yield* unet.build(yield* networkFile.read(parts));
    },
    // The noise in x_t, the clean image that follows from it, and gamma and beta of every block.
    *estimate({ network, x_t, t, told, bugs }) {
      const scores = {};
      const see = (name, part) => {
        if (name.endsWith(".score")) scores[name.replace(".score", "")] = part;
        if (name.endsWith(".shift")) scores.bottleneck = { beta: part };
      };
      const noise = yield* unet.predict(networks[network], x_t, told, { bugs, see });
      return { noise, x_0: diffusion.estimate(x_t, t, noise), scores };
    },
    *sample({ network, x_T, ...options }) {
      yield* diffusion.sample(networks[network], x_T, options);
    },
    // For each of several told timesteps the clean image, and the size of the noise that is found.
    *find({ network, x_t, candidates }) {
      for (const t of candidates) {
        const noise = yield* unet.predict(networks[network], x_t, diffusion.everywhere(t));
        const x_0 = diffusion.estimate(x_t, t, noise);
        yield { t, x_0, size: noise.reduce((sum, value) => sum + value ** 2, 0) / noise.length };
      }
    },
  };

  // `tell` is called with { step } for what a job yields, and at last { done } or { failed }.
  const start = (owner, kind, request, tell) => {
    stop(owner);
    waiting.push({ owner, tell, steps: KINDS[kind](request) });
    if (!working) turn();
  };
  const stop = (owner) => { waiting = waiting.filter((job) => job.owner !== owner); };

  const advance = (job) => {
    try {
      const { value, done } = job.steps.next();
      if (done) waiting = waiting.filter((other) => other !== job);
      if (done) job.tell({ done: value ?? null });
      else if (value !== undefined) job.tell({ step: value });
    } catch (error) {
      waiting = waiting.filter((other) => other !== job);
      job.tell({ failed: error.message });
    }
  };

  const pause = new MessageChannel();
  const turn = () => {
    const until = performance.now() + SLICE;
    while (waiting.length && performance.now() < until) advance(waiting.at(-1));
    working = waiting.length > 0;
    if (working) pause.port2.postMessage(null);
  };
  pause.port1.onmessage = turn;

  return { start, stop };
})();

// In a worker, requests come as messages, and so go the answers.
if (globalThis.WorkerGlobalScope) {
  onmessage = ({ data: { owner, kind, request, number } }) => {
    if (kind === "stop") jobs.stop(owner);
    else jobs.start(owner, kind, request, (answer) => postMessage({ number, ...answer }));
  };
  postMessage({ ready: true });
}
