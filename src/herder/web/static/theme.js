// Light, dark or as the system has it; loaded before the first paint so that nothing flashes.
"use strict";
(() => {
  const ORDER = ["auto", "light", "dark"];
  const root = document.documentElement;

  function stored() {
    try { return localStorage.getItem("herder-theme") || "auto"; } catch { return "auto"; }
  }

  function apply(theme) {
    if (theme === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) { button.textContent = `Theme: ${theme}`; button.hidden = false; }
    document.dispatchEvent(new Event("herder:theme"));
  }

  apply(stored());
  document.addEventListener("DOMContentLoaded", () => {
    apply(stored());
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = ORDER[(ORDER.indexOf(stored()) + 1) % ORDER.length];
      try { localStorage.setItem("herder-theme", next); } catch { /* private window: lasts for this page */ }
      apply(next);
    });
  });
})();
