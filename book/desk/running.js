// Which network runs, and its start and its end. Every tool may have a button for that and a list of
// networks; all of them say the same, and a tool gets the messages of its own.
globalThis.running = (() => {
  const { networks } = deskFiles, installed = new Set();
  let chosen = Object.keys(networks)[0], loading = null; // what stops the loading

  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const sizeOf = (files) => files.reduce((sum, { size }) => sum + size, 0);
  const label = (text) => {
    for (const button of document.querySelectorAll(".desk-begin")) button.textContent = text;
  };

  const progress = (share) => {
    for (const bar of document.querySelectorAll(".desk progress")) bar.value = share;
  };
  // Of all that is said of the network only the newest stays.
  let told = null;
  const say = (tool, text) => {
    if (told && told.tool !== tool && told.tool.said() === told.text) told.tool.say("");
    told = { tool, text };
    tool.say(text);
  };

  const rest = () => {
    desk.share({ network: null });
    const size = installed.has(chosen) ? "" : ` (${megabytes(sizeOf(networks[chosen].files))} MB)`;
    label(`Start the network${size}`);
  };

  const load = async (tool) => {
    loading?.abort();
    const { signal } = loading = new AbortController(), name = chosen;
    const { label: title, files } = networks[name], size = sizeOf(files);
    const show = (bytes) => {
      if (signal.aborted) return;
      label(`Stop loading (${megabytes(bytes)} of ${megabytes(size)} MB)`);
      say(tool, `Loaded ${megabytes(bytes)} of ${megabytes(size)} MB.`);
      progress(bytes / size);
    };
    try {
      if (!installed.has(name)) {
        show(0);
        const parts = await weights.fetchParts(files, show, signal);
        if (!signal.aborted) await weights.install(name, parts);
        if (signal.aborted) return;
        installed.add(name);
      }
      loading = null;
      say(tool, `This network runs on this page: ${title}.`);
      progress(1);
      desk.share({ network: name });
      label("Stop the network");
    } catch (error) {
      if (signal.aborted) return;
      loading = null;
      rest();
      progress(0);
      say(tool, error.message);
    }
  };

  const stop = (tool) => {
    const said = loading ? "Stopped. What has been loaded is kept."
      : "The network has stopped. The figures show recorded results.";
    loading?.abort();
    loading = null;
    rest();
    progress(0);
    say(tool, said);
  };

  const isOn = () => loading !== null || desk.shared.network !== null;
  const toggle = (tool) => (isOn() ? stop(tool) : load(tool));

  const choose = (name, tool) => {
    chosen = name;
    for (const list of document.querySelectorAll(".desk-network")) list.value = name;
    if (isOn()) load(tool);
    else rest();
  };

  const start = (name, tool) => {
    choose(name, tool);
    if (!isOn()) load(tool);
  };

  // Whether the network that runs can be told a class.
  const isToldClass = () => networks[desk.shared.network]?.told_class ?? false;

  // Run the network that a file of the reader's holds.
  const open = async (part, tool) => {
    await weights.install("yours", [part]);
    const told_class = part.variant === "adagn_class";
    networks.yours = { label: part.name, told_class, files: [] };
    installed.add("yours");
    for (const list of document.querySelectorAll(".desk-network")) {
      list.querySelector("[value=yours]")?.remove();
      list.add(new Option(`yours: ${part.name}`, "yours"));
    }
    start("yours", tool);
  };

  return { choose, isToldClass, open, start, toggle };
})();
