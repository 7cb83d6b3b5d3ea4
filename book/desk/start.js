// The start of the desk: which network, and its loading, with progress and a way to stop.
desk.tool("start", (tool) => {
  const { root, find } = tool;
  const about = JSON.parse(find("[data-networks]").content.textContent);
  const [begin, stop, bar, said] =
    [find(".desk-begin"), find(".desk-stop"), find("progress"), find(".desk-says")];
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  const loaded = new Set();
  let stopping = new AbortController();

  const chosen = () => tool.input("network").value;
  const total = (name) => about[name].files.reduce((sum, { size }) => sum + size, 0);

  const busy = (is) => {
    begin.disabled = is;
    stop.disabled = !is;
    for (const button of document.querySelectorAll(".desk-begin")) button.disabled = is;
  };

  const use = (network, name) => {
    loaded.add(network);
    document.querySelectorAll(".desk-fields").forEach((fields) => { fields.disabled = false; });
    desk.share({ network });
    tool.say(`The network ${name} runs on this page.`);
  };

  const load = async () => {
    const network = chosen(), { run, files } = about[network];
    if (loaded.has(network)) return use(network, run);
    stopping = new AbortController();
    busy(true);
    bar.max = total(network);
    const show = (bytes) => {
      bar.value = bytes;
      said.textContent = `Loaded ${megabytes(bytes)} of ${megabytes(bar.max)}.`;
    };
    show(0);
    try {
      const parts = await weights.fetchParts(network, files, show, stopping.signal);
      if (!parts) return tool.say("Stopped. What has been loaded is kept.");
      await weights.install(network, parts);
      use(network, run);
    } catch (error) {
      tool.say(error.message);
    } finally {
      busy(false);
    }
  };

  const open = async ([file]) => {
    if (!file) return;
    busy(true);
    try {
      const part = networkFile.parse(await file.text());
      await weights.install("yours", [part]);
      use("yours", String(part.name));
    } catch (error) {
      tool.say(error.message);
    } finally {
      busy(false);
    }
  };

  for (const button of document.querySelectorAll(".desk-begin")) button.addEventListener("click", load);
  stop.addEventListener("click", () => stopping.abort());
  tool.input("network").addEventListener("change", () => { if (desk.shared.network) load(); });
  tool.input("file").addEventListener("change", ({ target }) => open(target.files));
});
