// Layers of a U-Net in plain JavaScript, as quick as it allows. A feature map is { data, channels,
// size }: data holds a number for each channel, row and column, in this order. Sums are in float64;
// what is kept is in float32. `network` is what `prepare` makes of weights.
globalThis.layers = (() => {
  const empty = (channels, size) =>
    ({ data: new Float32Array(channels * size * size), channels, size });

  // Place of a number in a matrix whose columns lie in bundles, each of them row by row: `multiply`
  // then reads on and on. From row to row of the whole matrix it would miss the cache each time.
  const WIDE = 4; // columns of a bundle
  const inBundles = (rows, row, column) =>
    (column - column % WIDE) * rows + row * WIDE + column % WIDE;

  // Room for what a layer puts down while it works. It is kept: new room costs more than its use. So
  // a layer finds what others have left there, and must not pause.
  const rooms = {};
  const room = (name, length) => {
    if (!(rooms[name]?.length >= length)) rooms[name] = new Float64Array(length);
    return rooms[name];
  };

  // --- 3 x 3 convolution, by Winograd's F(4 x 4, 3 x 3): from tiles of 6 x 6 numbers to tiles of
  // 4 x 4 with 36 multiplications in place of 144. Lavin and Gray 2016, arXiv:1509.09308.

  // Each of these works along one line of a tile; applied to columns and to rows it does the whole.
  const spreadInput = (d, at, step) => {
    const a = d[at], b = d[at + step], c = d[at + 2 * step];
    const e = d[at + 3 * step], f = d[at + 4 * step], g = d[at + 5 * step];
    d[at] = 4 * a - 5 * c + f;
    d[at + step] = f - 4 * c + (e - 4 * b);
    d[at + 2 * step] = f - 4 * c - (e - 4 * b);
    d[at + 3 * step] = f - c + 2 * (e - b);
    d[at + 4 * step] = f - c - 2 * (e - b);
    d[at + 5 * step] = 4 * b - 5 * e + g;
  };
  const spreadFilter = (d, at, step) => {
    const a = d[at], b = d[at + step], c = d[at + 2 * step];
    d[at] = a / 4;
    d[at + step] = -(a + b + c) / 6;
    d[at + 2 * step] = -(a - b + c) / 6;
    d[at + 3 * step] = (a + 2 * b + 4 * c) / 24;
    d[at + 4 * step] = (a - 2 * b + 4 * c) / 24;
    d[at + 5 * step] = c;
  };
  const gatherOutput = (d, at, step) => {
    const sum = d[at + step] + d[at + 2 * step], tilt = d[at + step] - d[at + 2 * step];
    const wide = d[at + 3 * step] + d[at + 4 * step], steep = d[at + 3 * step] - d[at + 4 * step];
    d[at] += sum + wide;
    d[at + step] = tilt + 2 * steep;
    d[at + 2 * step] = sum + 4 * wide;
    d[at + 3 * step] = tilt + 8 * steep + d[at + 5 * step];
  };

  // Filters (out, in, 3, 3), spread: for each place in the tile a matrix (in, out), in bundles.
  const spreadFilters = function* (weight, outputs, inputs) {
    const spread = new Float32Array(36 * inputs * outputs);
    const tile = new Float64Array(36);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let k = 0; k < 9; k++) {
          tile[6 * Math.floor(k / 3) + (k % 3)] = weight[(o * inputs + i) * 9 + k];
        }
        for (let column = 0; column < 3; column++) spreadFilter(tile, column, 6);
        for (let row = 0; row < 6; row++) spreadFilter(tile, 6 * row, 1);
        const to = inBundles(inputs, i, o);
        for (let e = 0; e < 36; e++) spread[e * inputs * outputs + to] = tile[e];
      }
      yield;
    }
    return spread;
  };

  // A map cut into tiles that overlap by two, spread: for each place a matrix (channel, tile).
  const spreadTiles = ({ data, channels, size }, across, tiles) => {
    const spread = room("spread", 36 * channels * tiles);
    const tile = new Float64Array(36);
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < across * across; p++) {
        const top = 4 * Math.floor(p / across) - 1, left = 4 * (p % across) - 1;
        for (let row = 0; row < 6; row++) {
          const y = top + row, from = (c * size + y) * size;
          for (let column = 0; column < 6; column++) {
            const x = left + column;
            const inside = y >= 0 && y < size && x >= 0 && x < size;
            tile[6 * row + column] = inside ? data[from + x] : 0;
          }
        }
        for (let column = 0; column < 6; column++) spreadInput(tile, column, 6);
        for (let row = 0; row < 6; row++) spreadInput(tile, 6 * row, 1);
        const to = inBundles(channels, c, p);
        for (let e = 0; e < 36; e++) spread[e * channels * tiles + to] = tile[e];
      }
    }
    return spread;
  };

  // For each place the product (out, tiles) of two matrices in bundles, (in, out) and (in, tiles).
  // Most of the time of a pass is spent here: each number that is read is used four times.
  const multiply = (places, filters, spread, inputs, outputs, tiles) => {
    const product = room("product", places * outputs * tiles);
    for (let e = 0; e < places; e++) {
      for (let o = 0; o < outputs; o += WIDE) {
        for (let p = 0; p < tiles; p += WIDE) {
          let aw = 0, ax = 0, ay = 0, az = 0, bw = 0, bx = 0, by = 0, bz = 0;
          let cw = 0, cx = 0, cy = 0, cz = 0, dw = 0, dx = 0, dy = 0, dz = 0;
          let f = (e * outputs + o) * inputs, s = (e * tiles + p) * inputs;
          for (const end = f + WIDE * inputs; f < end; f += WIDE, s += WIDE) {
            const a = filters[f], b = filters[f + 1], c = filters[f + 2], d = filters[f + 3];
            const w = spread[s], x = spread[s + 1], y = spread[s + 2], z = spread[s + 3];
            aw += a * w; bw += b * w; cw += c * w; dw += d * w;
            ax += a * x; bx += b * x; cx += c * x; dx += d * x;
            ay += a * y; by += b * y; cy += c * y; dy += d * y;
            az += a * z; bz += b * z; cz += c * z; dz += d * z;
          }
          let to = (e * outputs + o) * tiles + p;
          product[to] = aw; product[to + 1] = ax; product[to + 2] = ay; product[to + 3] = az;
          to += tiles;
          product[to] = bw; product[to + 1] = bx; product[to + 2] = by; product[to + 3] = bz;
          to += tiles;
          product[to] = cw; product[to + 1] = cx; product[to + 2] = cy; product[to + 3] = cz;
          to += tiles;
          product[to] = dw; product[to + 1] = dx; product[to + 2] = dy; product[to + 3] = dz;
        }
      }
    }
    return product;
  };
  const wholeBundles = (n) => WIDE * Math.ceil(n / WIDE);

  const convolve = (network, name, map) => {
    const filters = network.filters[name], bias = network.tensors[`${name}.bias`];
    const outputs = bias.length, across = Math.ceil(map.size / 4);
    const tiles = wholeBundles(across * across); // what those beyond hold is not read
    const spread = spreadTiles(map, across, tiles);
    const product = multiply(36, filters, spread, map.channels, outputs, tiles);
    const made = empty(outputs, map.size);
    const tile = new Float64Array(36);
    for (let o = 0; o < outputs; o++) {
      for (let p = 0; p < across * across; p++) {
        for (let e = 0; e < 36; e++) tile[e] = product[(e * outputs + o) * tiles + p];
        for (let column = 0; column < 6; column++) gatherOutput(tile, column, 6);
        for (let row = 0; row < 4; row++) gatherOutput(tile, 6 * row, 1);
        const top = 4 * Math.floor(p / across), left = 4 * (p % across);
        const rows = Math.min(4, map.size - top), columns = Math.min(4, map.size - left);
        for (let y = 0; y < rows; y++) {
          const to = (o * map.size + top + y) * map.size + left;
          for (let x = 0; x < columns; x++) made.data[to + x] = tile[6 * y + x] + bias[o];
        }
      }
    }
    return made;
  };

  // --- the other layers

  // A matrix (rows, columns), put into bundles.
  const bundle = (bundles, matrix, rows, columns) => {
    for (let row = 0, k = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, k++) {
        bundles[inBundles(rows, row, column)] = matrix[k];
      }
    }
    return bundles;
  };

  // Transposed 2 x 2 convolution with stride 2, weight (in, out, 2, 2): each pixel becomes four.
  const enlarge = (network, name, { data, channels, size }) => {
    const bias = network.tensors[`${name}.bias`], outputs = bias.length, pixels = size * size;
    const tiles = wholeBundles(pixels);
    const rows = bundle(room("spread", channels * tiles), data, channels, pixels);
    const product = multiply(1, network.filters[name], rows, channels, 4 * outputs, tiles);
    const made = empty(outputs, 2 * size);
    for (let k = 0; k < made.data.length; k++) {
      const x = k % made.size, row = Math.floor(k / made.size);
      const o = Math.floor(row / made.size), y = row % made.size;
      const quarter = 4 * o + 2 * (y & 1) + (x & 1), p = (y >> 1) * size + (x >> 1);
      made.data[k] = product[quarter * tiles + p] + bias[o];
    }
    return made;
  };

  // The largest of each 2 x 2.
  const shrink = ({ data, channels, size }) => {
    const made = empty(channels, size / 2);
    for (let to = 0; to < made.data.length; to++) {
      const row = Math.floor(to / made.size), at = 2 * row * size + 2 * (to % made.size);
      made.data[to] = Math.max(data[at], data[at + 1], data[at + size], data[at + size + 1]);
    }
    return made;
  };

  const join = (a, b) => {
    const made = empty(a.channels + b.channels, a.size);
    made.data.set(a.data);
    made.data.set(b.data, a.data.length);
    return made;
  };

  const linear = (network, name, input) => {
    const weight = network.tensors[`${name}.weight`], bias = network.tensors[`${name}.bias`];
    const made = new Float32Array(bias.length);
    for (let o = 0; o < made.length; o++) {
      let sum = bias[o];
      for (let i = 0; i < input.length; i++) sum += weight[o * input.length + i] * input[i];
      made[o] = sum;
    }
    return made;
  };

  // erf(x) = 2 / sqrt(pi) exp(-x^2) sum_n 2^n x^(2n + 1) / (1 * 3 * ... * (2n + 1)), all of one sign.
  const erf = (x) => {
    if (Math.abs(x) > 6) return Math.sign(x);
    let term = x, sum = 0;
    for (let n = 1; Math.abs(term) > 1e-17; n++) {
      sum += term;
      term *= 2 * x * x / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  };
  const gelu = (x) => x / 2 * (1 + erf(x * Math.SQRT1_2));

  // --- a network from its weights, named as PyTorch names them: those of convolutions are spread
  // once. A generator, so that a page can do something else in between.
  function* prepare(tensors) {
    const filters = {};
    for (const [name, weight] of Object.entries(tensors)) {
      const [, layer, up] = /(.*conv_[12]|head\.0|(up_.))\.weight$/.exec(name) ?? [];
      if (!layer) continue;
      const outputs = tensors[`${layer}.bias`].length * (up ? 4 : 1);
      filters[layer] = up ? bundle(weight.slice(), weight, weight.length / outputs, outputs)
        : yield* spreadFilters(weight, outputs, weight.length / outputs / 9);
    }
    return { tensors, filters };
  }

  return { convolve, enlarge, shrink, join, linear, gelu, prepare };
})();
