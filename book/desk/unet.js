// The lesson's U-Net in plain JavaScript: what UNetAdaGN and UNetSinusoidal of condlesson.unet
// compute, one image at a time. Here is what they are; how a layer computes is in layers.js.
globalThis.unet = (() => {
  const { convolve, enlarge, shrink, join, linear, gelu } = layers;
  const BLOCKS = ["enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1"];
  const GROUPS = 8; // of every group norm
  const EPS = 1e-5;
  const D_SINUSOIDAL = 256;
  const NO_CLASS = 10; // the last row of the table of classes

  // --- norms. Each ends as two numbers for every channel, one to multiply and one to add.

  const groupNorm = ({ data, channels, size }) => {
    const times = new Float64Array(channels), plus = new Float64Array(channels);
    const members = channels / GROUPS, n = members * size * size;
    for (let g = 0; g < GROUPS; g++) {
      let mean = 0, variance = 0;
      for (let k = g * n; k < (g + 1) * n; k++) mean += data[k];
      mean /= n;
      for (let k = g * n; k < (g + 1) * n; k++) variance += (data[k] - mean) ** 2;
      variance /= n;
      times.fill(1 / Math.sqrt(variance + EPS), g * members, (g + 1) * members);
      plus.fill(-mean / Math.sqrt(variance + EPS), g * members, (g + 1) * members);
    }
    return { times, plus };
  };

  // What batch norm does after training: mean and variance are those it has seen in training.
  const batchNorm = (mean, variance) => ({
    times: Float64Array.from(variance, (v) => 1 / Math.sqrt(v + EPS)),
    plus: Float64Array.from(mean, (m, c) => -m / Math.sqrt(variance[c] + EPS)),
  });

  // Norm, its own learned scale and shift or those of the timestep, ReLU; in place.
  const normalise = (network, name, map, told) => {
    const { [`${name}.weight`]: weight, [`${name}.bias`]: bias } = network.tensors;
    const { [`${name}.running_mean`]: mean, [`${name}.running_var`]: variance } = network.tensors;
    const { times, plus } = mean ? batchNorm(mean, variance) : groupNorm(map);
    const scale = told?.scale ?? weight, shift = told?.shift ?? bias;
    const { data, channels } = map, pixels = map.size ** 2;
    for (let c = 0; c < channels; c++) {
      const a = scale[c] * times[c], b = scale[c] * plus[c] + shift[c];
      for (let k = c * pixels; k < (c + 1) * pixels; k++) data[k] = Math.max(0, a * data[k] + b);
    }
  };

  // --- the way of the timestep. `bugs` are switches, named as in condlesson.museum.mistakes.

  const toBfloat16 = (x) => { // the nearest, of two the even one
    const bits = new Uint32Array(Float32Array.of(x).buffer);
    bits[0] = (bits[0] + 0x7fff + ((bits[0] >> 16) & 1)) & 0xffff0000;
    return new Float32Array(bits.buffer)[0];
  };

  const sinusoid = (t, bugs = {}) => {
    const half = D_SINUSOIDAL / 2;
    const steps = bugs.other_denominator ? half - 1 : bugs.doubled_exponent ? half / 2 : half;
    if (bugs.always_zero) t = 0;
    if (bugs.unit_interval) t /= 1000;
    if (bugs.bfloat16) t = toBfloat16(t);
    return Float32Array.from({ length: D_SINUSOIDAL }, (_, k) => {
      const angle = t * 10000 ** (-(k % half) / steps);
      return (k < half) !== Boolean(bugs.swapped_halves) ? Math.sin(angle) : Math.cos(angle);
    });
  };

  // t_emb, of 512 numbers. To it the row of a class is added, where the network is told classes.
  const embed = (network, t, bugs = {}, label = NO_CLASS) => {
    const hidden = linear(network, "time_embedding.linear_1", sinusoid(t, bugs));
    const t_emb = linear(
      network, "time_embedding.linear_2", bugs.no_activation ? hidden : hidden.map(gelu));
    const rows = network.tensors["class_embedding.weight"];
    return rows ? t_emb.map((value, k) => value + rows[label * t_emb.length + k]) : t_emb;
  };

  // Gamma and beta of a block. `told` is { t, gamma, beta }; a false gamma or beta is muted.
  const score = (network, block, told, t_emb, bugs = {}) => {
    const both = linear(network, `${block}.norm_1.projection`, t_emb);
    const gamma = both.slice(0, both.length / 2), beta = both.slice(both.length / 2);
    if (told.gamma === false) gamma.fill(0);
    if (told.beta === false) beta.fill(0);
    return { gamma, beta, scale: gamma.map((g) => (bugs.missing_one ? g : 1 + g)), shift: beta };
  };

  // --- the whole

  // The sinusoidal network is told the time in one place: behind the bottleneck, by addition.
  const addTime = (network, map, told, t_emb) => {
    const shift = linear(network, "time_projection", t_emb);
    if (told.beta === false) shift.fill(0);
    for (let k = 0; k < map.data.length; k++) map.data[k] += shift[Math.floor(k / map.size ** 2)];
    return shift;
  };

  // The noise in x_t, 28 x 28 numbers. `told` says what each block is told: { enc_1: { t: 400 }, ... };
  // `label` is the class that all are told, where the network is told one.
  // A generator: it pauses after every layer, so that a page can do something else in between.
  // `see` is called with the name and the result of each part, before that is worked on further.
  function* predict(network, x_t, told, { label, bugs = {}, see = () => {} } = {}) {
    const addsTime = "time_projection.weight" in network.tensors;
    const embedded = {};
    const embeddingFor = ({ t }) => embedded[t] ??= embed(network, t, bugs, label);
    const layer = (name, norm, map, playing) => {
      map = convolve(network, name, map);
      see(name, map);
      normalise(network, norm, map, playing);
      return map;
    };
    const block = function* (name, map) {
      const playing = addsTime ? undefined : score(network, name, told[name], embeddingFor(told[name]), bugs);
      if (playing) see(`${name}.score`, playing);
      map = layer(`${name}.conv_1`, `${name}.norm_1`, map, playing);
      yield;
      map = layer(`${name}.conv_2`, `${name}.norm_2`, map);
      see(name, map);
      yield;
      return map;
    };
    const up = function* (name, map) {
      map = enlarge(network, name, map);
      see(name, map);
      yield;
      return map;
    };
    const h_1 = yield* block("enc_1", { data: x_t, channels: 1, size: 28 });
    const h_2 = yield* block("enc_2", shrink(h_1));
    const h_3 = yield* block("enc_3", shrink(h_2));
    let h = yield* block("bottleneck", h_3);
    if (addsTime) see("bottleneck.shift", addTime(network, h, told.bottleneck, embeddingFor(told.bottleneck)));
    h = yield* block("dec_2", join(yield* up("up_2", h), h_2));
    h = yield* block("dec_1", join(yield* up("up_1", h), h_1));
    h = layer("head.0", "head.1", h);
    const noise = new Float32Array(28 * 28);
    const weight = network.tensors["head.3.weight"], [bias] = network.tensors["head.3.bias"];
    for (let p = 0; p < noise.length; p++) {
      let sum = bias;
      for (let c = 0; c < h.channels; c++) sum += weight[c] * h.data[c * noise.length + p];
      noise[p] = sum;
    }
    if (!noise.every(Number.isFinite)) throw new Error("The network gives no numbers for this.");
    return noise;
  }

  return { BLOCKS, NO_CLASS, build: layers.prepare, embed, gelu, predict, score, sinusoid };
})();
