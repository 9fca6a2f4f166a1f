// A short message in the corner; read out by screen readers (the container is a live region).
const SECONDS = 6;

export function toast(text, kind = "info") {
  const item = document.createElement("p");
  item.className = `toast toast-${kind}`;
  item.textContent = text;
  document.getElementById("toasts").append(item);
  setTimeout(() => item.remove(), SECONDS * 1000);
  return item;
}
