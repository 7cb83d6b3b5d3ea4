// Light or dark, before anything is drawn: what the reader chose here, else what the system has.
(() => {
  let chosen;
  try {
    chosen = localStorage.getItem("mode");
  } catch {
    // The browser forbids storage; the theme's script must not stop for that.
    const nothing = { getItem: () => null, setItem() {}, removeItem() {} };
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, { value: nothing });
    }
  }
  const mode = ["light", "dark"].includes(chosen) ? chosen : "auto";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.mode = mode;
  document.documentElement.dataset.theme = mode === "auto" ? system : mode;
})();
