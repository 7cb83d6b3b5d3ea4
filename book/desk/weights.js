// Loading a network's weights, part by part, when the reader asks for it: as scripts, since a page
// that was opened from a folder may load nothing else.
globalThis.weights = (() => {
  const said = {}, loads = {}; // by address: what a part says, and the promise of it
  globalThis.condlessonNetwork = (part) => { said[document.currentScript.src] = part; };

  const loadScript = (address) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onerror = () => {
      delete loads[address];
      script.remove();
      reject(new Error("The network could not be loaded. Try it again."));
    };
    script.onload = () => {
      script.remove();
      resolve(said[script.src]);
    };
    document.head.append(script);
  });

  // What the parts of a network say, in files [{ address, size }]. `show` is told how many bytes are
  // there; a `signal` stops it between two files, and what has come is kept.
  const fetchParts = async (files, show, signal) => {
    const parts = [];
    let bytes = 0;
    for (const { address, size } of files) {
      if (signal.aborted) break;
      parts.push(await (loads[address] ??= loadScript(address)));
      show(bytes += size);
    }
    return parts;
  };

  // Hand a network's parts to the engine, and wait until it can be asked.
  const install = (network, parts) => new Promise((resolve, reject) => {
    engine.ask(`weights-${network}`, "load", { network, parts }, (answer) => {
      if ("failed" in answer) reject(new Error(answer.failed));
      else if ("done" in answer) resolve();
    });
  });

  return { fetchParts, install };
})();
