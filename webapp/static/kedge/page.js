// What every page does: menus close by themselves, messages can be dismissed, [data-copy] copies.
import { toast } from "./toast.js";

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details.menu"));
  const close = event.target.closest("[data-close]");
  if (close) close.closest(".notice").remove();
  const copy = event.target.closest("[data-copy]");
  if (copy) copyText(document.getElementById(copy.dataset.copy));
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// On a phone the project's menu is wider than the screen: where one is stays in sight.
const here = document.querySelector(".project-nav [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

async function copyText(field) {
  const text = field.value ?? field.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    toast("Copied.");
  } catch {
    field.select?.(); // the clipboard needs https or localhost: select it for Ctrl+C
    toast("Press Ctrl+C to copy.");
  }
}

document.body.addEventListener("htmx:responseError", () => toast("The server answered with an error.", "error"));
document.body.addEventListener("htmx:sendError", () => toast("No connection to the server.", "error"));
