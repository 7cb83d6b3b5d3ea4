// Files of weights, as condlesson.export writes them: a call of condlessonNetwork with an object of
// JSON. The book's own come as scripts. A reader's own file is never run: it is read as text, and
// whatever does not fit is refused with a sentence that says what.
globalThis.networkFile = (() => {
  const LARGEST = 64e6; // bytes
  const LONGEST = 100; // characters of a name, and of what a refusal quotes
  const HIGHEST = 1e6; // of a weight; a network whose weights are far beyond gives no numbers
  const VARIANTS = ["adagn", "adagn_class", "sinusoidal"];
  const D_SINUSOIDAL = 256, D_EMB = 512;

  const refuse = (why) => { throw new Error(`This is no network for the desk: ${why}`); };
  const quote = (value) => {
    const text = JSON.stringify(value) ?? "none";
    return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  };

  // Names and shapes of all weights of a network whose first block has `w` channels.
  const shapesOf = (variant, w) => {
    const shapes = {}, isAdaptive = variant !== "sinusoidal";
    const linear = (name, to, from) => {
      shapes[`${name}.weight`] = [to, from];
      shapes[`${name}.bias`] = [to];
    };
    const conv = (name, to, from, side) => {
      linear(name, to, from);
      shapes[`${name}.weight`].push(side, side);
    };
    const norm = (name, channels) => {
      const parts = ["weight", "bias", ...(isAdaptive ? [] : ["running_mean", "running_var"])];
      for (const part of parts) shapes[`${name}.${part}`] = [channels];
    };
    const blocks = { enc_1: [1, w], enc_2: [w, 2 * w], enc_3: [2 * w, 4 * w],
      bottleneck: [4 * w, 8 * w], dec_2: [6 * w, 4 * w], dec_1: [3 * w, 2 * w] };
    for (const [name, [from, to]] of Object.entries(blocks)) {
      conv(`${name}.conv_1`, to, from, 3);
      conv(`${name}.conv_2`, to, to, 3);
      if (isAdaptive) linear(`${name}.norm_1.projection`, 2 * to, D_EMB);
      else norm(`${name}.norm_1`, to);
      norm(`${name}.norm_2`, to);
    }
    for (const [name, from, to] of [["up_2", 8 * w, 4 * w], ["up_1", 4 * w, 2 * w]]) {
      shapes[`${name}.weight`] = [from, to, 2, 2];
      shapes[`${name}.bias`] = [to];
    }
    conv("head.0", w, 2 * w, 3);
    norm("head.1", w);
    conv("head.3", 1, w, 1);
    linear("time_embedding.linear_1", D_EMB, D_SINUSOIDAL);
    linear("time_embedding.linear_2", D_EMB, D_EMB);
    if (!isAdaptive) linear("time_projection", 8 * w, D_EMB);
    if (variant === "adagn_class") shapes["class_embedding.weight"] = [unet.NO_CLASS + 1, D_EMB];
    return shapes;
  };

  const bytesOf = (text, name, length) => {
    let letters = "";
    if (typeof text !== "string") refuse(`${name} must hold its numbers as text.`);
    try { letters = atob(text); } catch { refuse(`the numbers of ${name} are damaged.`); }
    if (letters.length !== length) {
      refuse(`${name} must hold ${length} bytes, got ${letters.length}.`);
    }
    const bytes = new Uint8Array(length);
    for (let k = 0; k < length; k++) bytes[k] = letters.charCodeAt(k);
    return bytes.buffer;
  };

  const floatsOf = (text, name, count) => {
    const view = new DataView(bytesOf(text, name, 4 * count));
    return Float32Array.from({ length: count }, (_, k) => view.getFloat32(4 * k, true));
  };

  // Numbers of one entry: float32, or int8 with a scale for each output channel.
  const numbersOf = ({ name, values, scales }, shape) => {
    const count = shape.reduce((a, b) => a * b);
    if (scales === undefined) return floatsOf(values, name, count);
    const axis = name.startsWith("up_") ? 1 : 0; // where the output channels are
    const channels = shape[axis], inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const steps = new Int8Array(bytesOf(values, name, count));
    const scale = floatsOf(scales, `scales of ${name}`, channels);
    const numbers = new Float32Array(count);
    for (let k = 0; k < count; k++) numbers[k] = steps[k] * scale[Math.floor(k / inner) % channels];
    return numbers;
  };

  const checkNumbers = (name, numbers) => {
    if (!numbers.every(Number.isFinite)) refuse(`${name} must hold finite numbers only.`);
    if (numbers.some((value) => Math.abs(value) > HIGHEST)) {
      refuse(`${name} must hold no number beyond ${HIGHEST.toLocaleString("en")}.`);
    }
    if (name.endsWith("running_var") && numbers.some((value) => value < 0)) {
      refuse(`${name} must not be below 0.`);
    }
  };

  // What a file says, from its text: lines of comments, and then one call.
  const parse = (text) => {
    const CALL = "condlessonNetwork(", at = text.indexOf(CALL);
    const before = text.slice(0, at).split("\n"), [end] = /\);?\s*$/.exec(text.slice(-100)) ?? [];
    const json = end && text.slice(at + CALL.length, -end.length);
    if (at < 0 || !json?.startsWith("{") || !before.every((line) => /^\s*(\/\/|$)/.test(line))) {
      refuse("it must be a file that condlesson export wrote.");
    }
    try { return JSON.parse(json); } catch { return refuse("the file is damaged."); }
  };
  // The same of a file that the reader has chosen.
  const open = async (file) => {
    if (file.size > LARGEST) refuse(`a file has at most ${LARGEST / 1e6} MB.`);
    return parse(await file.text());
  };

  const checkHead = ({ format, name, variant, width, num_timesteps: steps, tensors }) => {
    if (format !== 1) refuse(`its format must be 1, got ${quote(format)}.`);
    if (typeof name !== "string" || !name.trim() || name.length > LONGEST) {
      refuse(`its name must be a text of at most ${LONGEST} characters, got ${quote(name)}.`);
    }
    if (!VARIANTS.includes(variant)) {
      refuse(`its variant must be one of ${VARIANTS.join(", ")}, got ${quote(variant)}.`);
    }
    if (!Number.isInteger(width) || width % 8 || width < 8 || width > 64) {
      refuse(`its width must be a multiple of 8 from 8 to 64, got ${quote(width)}.`);
    }
    if (steps !== 1000) refuse(`it must know 1000 timesteps, got ${quote(steps)}.`);
    if (!Array.isArray(tensors)) refuse("it must have a list of tensors.");
  };

  // The weights of a network, { name: Float32Array }, from what the parts of its file say. A
  // generator, which pauses after each tensor.
  function* read(parts) {
    for (const part of parts) checkHead(part);
    const { variant, width } = parts[0];
    const shapes = shapesOf(variant, width), tensors = {};
    for (const entry of parts.flatMap((part) => part.tensors)) {
      const name = quote(entry?.name ?? null);
      if (typeof entry?.name !== "string" || !Object.hasOwn(shapes, entry.name)) {
        refuse(`${name} is no weight of ${variant}.`);
      }
      const shape = shapes[entry.name];
      if (entry.name in tensors) refuse(`${name} is there twice.`);
      if (JSON.stringify(entry.shape) !== JSON.stringify(shape)) {
        refuse(`${name} must have the shape ${shape}, got ${quote(entry.shape)}.`);
      }
      tensors[entry.name] = numbersOf(entry, shape);
      checkNumbers(entry.name, tensors[entry.name]);
      yield;
    }
    const missing = Object.keys(shapes).filter((name) => !(name in tensors));
    if (missing.length) {
      const more = missing.length > 1 ? `, and ${missing.length - 1} more` : "";
      refuse(`${missing[0]} is missing${more}.`);
    }
    return tensors;
  }

  return { open, parse, read, shapesOf };
})();
