// Elements without innerHTML: texts of people and models only ever become text nodes.

/** el("button", {class: "quiet", type: "button", on: {click}}, "Text", child, …) */
export function el(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  Object.assign(node.dataset, data);
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const icon = (name) => el("span", { class: `icon icon-${name}`, "aria-hidden": "true" });

export const timeOfDay = (date = new Date()) =>
  [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
