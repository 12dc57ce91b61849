// Sets light or dark before the first paint: the person's choice, else the system's. Blocking in <head>, hence so short.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("cortex-theme"); } catch { return null; } };
  const apply = () => {
    document.documentElement.dataset.bsTheme = chosen() || (system.matches ? "dark" : "light");
    document.dispatchEvent(new CustomEvent("cortex:theme"));
  };
  system.addEventListener("change", apply);
  addEventListener("storage", (event) => { if (event.key === "cortex-theme") apply(); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    try {
      // What the system says needs no remembering, so that the console follows it again.
      if (next === (system.matches ? "dark" : "light")) localStorage.removeItem("cortex-theme");
      else localStorage.setItem("cortex-theme", next);
    } catch { /* private mode: the choice lasts for this page */ }
    document.documentElement.dataset.bsTheme = next;
    document.dispatchEvent(new CustomEvent("cortex:theme"));
  });
  apply();
})();
