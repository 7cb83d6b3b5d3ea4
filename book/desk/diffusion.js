// The forward process and DDIM, as in condlesson.diffusion and condlesson.sampling. Images are 784
// numbers in [-1, 1]; timesteps count from 0, the least noise, to 999.
globalThis.diffusion = (() => {
  const T = 1000;

  // Share of the image's variance that is left at each timestep: 1 - beta_t, multiplied up.
  const alphaBars = (() => {
    let product = 1;
    return Float32Array.from({ length: T }, (_, t) => {
      product *= 1 - Math.fround(1e-4 + (0.02 - 1e-4) * t / (T - 1));
      return product;
    });
  })();
  const alphaBar = (t) => (t < 0 ? 1 : alphaBars[t]);

  // a * x + b * y, number by number.
  const mix = (a, x, b, y) => Float32Array.from(x, (value, k) => a * value + b * y[k]);

  const addNoise = (x_0, t, noise) =>
    mix(Math.sqrt(alphaBar(t)), x_0, Math.sqrt(1 - alphaBar(t)), noise);

  // The clean image that fits x_t and the noise predicted in it, cut off at [-1, 1].
  const estimate = (x_t, t, noise) =>
    mix(1 / Math.sqrt(alphaBar(t)), x_t, -Math.sqrt(1 / alphaBar(t) - 1), noise)
      .map((value) => Math.min(Math.max(value, -1), 1));

  // One step of DDIM with eta = 0, from t to an earlier timestep; -1 is the clean image. The noise
  // is the predicted one, or, `fromEstimate`, what the clipped estimate leaves of x_t: guidance asks
  // for estimates beyond [-1, 1], and noise that does not fit what is left of them adds up.
  const step = (x_t, t, earlier, noise, bugs = {}, fromEstimate = false) => {
    const x_0 = estimate(x_t, t, noise), left = 1 - alphaBar(earlier), now = alphaBar(t);
    if (fromEstimate) noise = mix(1 / Math.sqrt(1 - now), x_t, -Math.sqrt(now / (1 - now)), x_0);
    return mix(Math.sqrt(alphaBar(earlier)), x_0, bugs.rootless_ddim ? left : Math.sqrt(left), noise);
  };

  // The timesteps that n steps visit, most noise first; they end at 0.
  const sequence = (n) => Array.from({ length: n }, (_, k) => (n - 1 - k) * Math.floor(T / n));

  // All blocks are told the same.
  const everywhere = (t) => Object.fromEntries(unet.BLOCKS.map((block) => [block, { t }]));

  // The noise in x for a class: `scale` times the way from what is predicted without a class to what
  // is predicted with it. Without a label the network is told none.
  function* predictGuided(network, x, told, { label, scale = 1, bugs }) {
    const noise = yield* unet.predict(network, x, told, { label, bugs });
    if (label === undefined || scale === 1) return noise; // at half the cost
    const without = yield* unet.predict(network, x, told, { bugs });
    return mix(scale, noise, 1 - scale, without);
  }

  // Draw an image, step by step. Yields nothing while it works, and { t, told, x_0, x } after each
  // step. `always` is a timestep to tell at every step in place of the true one; `label` and `scale`
  // are those of `predictGuided`.
  function* sample(network, x_T, { steps, always, label, scale, bugs = {} }) {
    const visited = sequence(steps);
    let x = x_T;
    for (const [k, t] of visited.entries()) {
      const told = always ?? (bugs.told_indices ? steps - 1 - k : t);
      const noise = yield* predictGuided(network, x, everywhere(told), { label, scale, bugs });
      const x_0 = estimate(x, t, noise);
      x = step(x, t, visited[k + 1] ?? -1, noise, bugs, label !== undefined);
      yield { t, told, x_0, x };
    }
  }

  // Standard normal numbers that a seed decides: mulberry32, then Box and Muller.
  const gaussian = (n, seed) => {
    const uniform = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
      return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
    };
    return Float32Array.from({ length: n }, () =>
      Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
  };

  return { T, addNoise, alphaBar, estimate, everywhere, gaussian, sample, sequence, step };
})();
