// What the pages do beyond the theme's own script. Everything can be read and opened without it.
(() => {
  const menus = [...document.querySelectorAll(".article-header-buttons details")];

  // A menu closes when the reader goes elsewhere, or presses Escape.
  document.addEventListener("click", (event) => {
    for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
  });
  for (const menu of menus) {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }

  // The contents show which section is being read: the last heading above a third of the window.
  const links = [...document.querySelectorAll(".bd-toc-nav a[href^='#']")];
  const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
  const mark = () => {
    const above = sections.filter((s) => s && s.getBoundingClientRect().top < innerHeight / 3);
    links.forEach((link, number) => {
      const current = above.length > 0 && sections[number] === above.at(-1);
      link.classList.toggle("active", current);
      link.parentElement.classList.toggle("active", current);
      if (current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  };
  let waiting = false;
  const markSoon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mark(); });
  };
  if (links.length) {
    addEventListener("scroll", markSoon, { passive: true });
    markSoon();
  }

  // Formulas and tables that are wider than the page scroll; so they must be reached by keyboard.
  const wide = [...document.querySelectorAll(
    ".math-block, .cell_output, .table-wrap, .pst-scrollable-table-container")];
  const reach = () => {
    for (const box of wide) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", reach);
  addEventListener("load", reach);

  // On paper nothing is folded, and the ground is white.
  let theme, folded;
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    folded = [...document.querySelectorAll("article details:not([open])")];
    for (const part of folded) part.open = true;
    for (const image of document.images) image.loading = "eager";
  });
  addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = theme;
    for (const part of folded) part.open = false;
  });

  // A search begins in the field. Its words are marked on the page that one goes on to from there,
  // and on no other.
  document.querySelector(".bd-search-container input[type=search]")?.focus();
  const results = document.querySelector("#search-results");
  const tell = () => {
    for (const result of results.querySelectorAll("li:not(:has(.search-about))")) {
      const page = result.querySelector("a")?.getAttribute("href")?.split(/[?#]/)[0];
      if (!window.descriptions?.[page]) continue;
      const about = document.createElement("p");
      about.className = "search-about";
      about.textContent = window.descriptions[page];
      result.append(about);
    }
  };
  if (results) new MutationObserver(tell).observe(results, { childList: true, subtree: true });
  let followed = false;
  results?.addEventListener("click", (event) => { followed ||= Boolean(event.target.closest("a")); });
  addEventListener("pagehide", () => {
    if (results && !followed) localStorage.removeItem("sphinx_highlight_terms");
  });
})();
