// Runs before the first paint: a chosen theme must not flash. Without a choice the system decides (CSS).
(() => {
  "use strict";
  const KEY = "kedge-theme";
  const CHOICES = ["system", "light", "dark"];
  const ICONS = { system: "monitor", light: "sun", dark: "moon" };

  function chosen() {
    try {
      const value = localStorage.getItem(KEY);
      return CHOICES.includes(value) ? value : "system";
    } catch {
      return "system"; // storage is blocked: follow the system
    }
  }

  function apply(choice) {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  }

  function show(button, choice) {
    button.querySelector(".icon").className = `icon icon-${ICONS[choice]}`;
    button.title = `Theme: ${choice}`;
    button.setAttribute("aria-label", `Theme: ${choice}. Change`);
  }

  function bind() {
    const button = document.getElementById("theme-toggle");
    if (!button) return;
    button.hidden = false;
    show(button, chosen());
    button.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // Not kept, but still shown on this page.
      }
      apply(next);
      show(button, next);
      document.dispatchEvent(new CustomEvent("kedge:theme"));
    });
  }

  apply(chosen());
  document.addEventListener("DOMContentLoaded", bind);
})();
