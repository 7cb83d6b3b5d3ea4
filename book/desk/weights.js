// Loading a network's weights, part by part, when the reader asks for it: from the site as scripts,
// since a page that was opened from a folder may load nothing else, or from a file of the reader's,
// which is read as text.
globalThis.weights = (() => {
  const received = {}; // for each network of the site what its parts say
  let receive = () => {};
  globalThis.condlessonNetwork = (part) => receive(part);

  const loadScript = (address) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    receive = resolve;
    script.onerror = () => reject(new Error("The network could not be loaded. Try it again."));
    script.onload = () => script.remove();
    document.head.append(script);
  });

  // Load what is missing of a network's files, [{ address, size }]. `show` is told how many bytes
  // are there; a `signal` stops it between two files, and what has come is kept.
  const fetchParts = async (name, files, show, signal) => {
    const parts = (received[name] ??= []);
    while (parts.length < files.length) {
      if (signal.aborted) return null;
      parts.push(await loadScript(files[parts.length].address));
      show(files.slice(0, parts.length).reduce((sum, { size }) => sum + size, 0));
    }
    return parts;
  };

  // Hand a network's parts to the engine, and wait until it can be asked.
  const install = (network, parts) => new Promise((resolve, reject) => {
    engine.ask("weights", "load", { network, parts }, (answer) => {
      if ("failed" in answer) reject(new Error(answer.failed));
      else if ("done" in answer) resolve();
    });
  });

  return { fetchParts, install };
})();
