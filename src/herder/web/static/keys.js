// Keys: `?` shows them, `g` and a key goes to a place, `j` and `k` walk along rows. Buttons that copy, where the browser can.
"use strict";
(() => {
  const sheet = document.getElementById("keys");
  if (!sheet) return; // kiosk mode
  const WAIT_MS = 1500; // between `g` and the key of a place
  const places = new Map([...sheet.querySelectorAll("[data-key]")].map((each) => [each.dataset.key, each.dataset.address]));
  const button = document.getElementById("keys-button");
  const canCopy = Boolean(navigator.clipboard && window.isSecureContext);
  let going = 0;

  function step(by) {
    const links = [...document.querySelectorAll("#main tbody tr, #main .decisions > li")]
      .map((row) => row.querySelector("a[href]")).filter((link) => link && link.checkVisibility());
    if (!links.length) return;
    const at = links.findIndex((link) => link === document.activeElement);
    const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  async function copy(code, said) {
    if (!canCopy || !code) return;
    await navigator.clipboard.writeText(code.textContent);
    if (!said) return;
    said.textContent = "Copied";
    setTimeout(() => { said.textContent = "Copy"; }, 1500);
  }

  function focus(field) {
    if (!field) return;
    field.focus();
    if (field.select) field.select();
  }

  const actions = {
    "?": () => sheet.showModal(),
    "/": () => focus(document.querySelector("#main .search input, #main .filters input, #main .filters select") || document.getElementById("find")),
    ":": () => focus(document.getElementById("find")),
    j: () => step(1),
    k: () => step(-1),
    y: () => { const code = document.querySelector("#main .copied code"); copy(code, code?.parentElement.querySelector(".copy")); },
    g: () => { going = Date.now(); },
  };

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input, select, textarea");
    if (event.key === "Escape" && field) { field.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || field || sheet.open || event.isComposing) return;
    if (Date.now() - going < WAIT_MS) {
      going = 0;
      const address = places.get(event.key);
      if (address) { event.preventDefault(); location.assign(address); return; }
    }
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("button.copy");
    if (pressed) copy(pressed.parentElement.querySelector("code"), pressed);
  });

  button.hidden = false;
  button.addEventListener("click", () => sheet.showModal());
  document.documentElement.classList.toggle("can-copy", canCopy);
})();
