// Light or dark, before anything is drawn: what the reader chose here, else what the system has.
(() => {
  // A browser may forbid storage, or let it be read and not written; no script must stop for that.
  for (const name of ["localStorage", "sessionStorage"]) {
    let stored;
    try {
      stored = window[name];
      stored.setItem("condlesson-probe", "");
      stored.removeItem("condlesson-probe");
    } catch {
      const getItem = (key) => {
        try { return stored.getItem(key); } catch { return null; }
      };
      Object.defineProperty(window, name, { value: { getItem, setItem() {}, removeItem() {} } });
    }
  }
  const chosen = localStorage.getItem("mode");
  const mode = ["light", "dark"].includes(chosen) ? chosen : "auto";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.mode = mode;
  document.documentElement.dataset.theme = mode === "auto" ? system : mode;
})();
