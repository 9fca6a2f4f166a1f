// Finding words in the source, without changing it: the browser paints the hits (CSS Custom Highlight API).

export class Find {
  /** `box` holds the field, its count and the two arrows; `source` is told to open what is folded over a hit. */
  constructor(box, source, { say, leave }) {
    Object.assign(this, { source, say, leave, hits: [], at: -1 });
    this.field = box.querySelector("input");
    this.count = box.querySelector("[data-count]");
    this.field.addEventListener("input", () => this.look());
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    for (const button of box.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
  }

  focus() {
    this.field.focus();
    this.field.select();
  }

  pressed(event) {
    event.stopPropagation();
    if (event.key === "Enter") {
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.clear();
      this.leave();
    }
  }

  clear() {
    this.field.value = "";
    this.look();
  }

  look() {
    const wanted = this.field.value.trim();
    this.hits = wanted ? rangesOf(this.source.container, wanted) : [];
    this.at = this.hits.length > 0 ? 0 : -1;
    this.show(wanted);
  }

  step(by) {
    if (this.hits.length === 0) return;
    this.at = (this.at + by + this.hits.length) % this.hits.length;
    this.show(this.field.value);
  }

  show(wanted) {
    const hit = this.hits[this.at];
    paint("source-hit", this.hits);
    paint("source-hit-now", hit ? [hit] : []);
    this.count.textContent = wanted ? `${this.at + 1} of ${this.hits.length}` : "";
    if (wanted) this.say(hit ? `${this.at + 1} of ${this.hits.length}: ${around(hit)}` : `${wanted} is not in the source.`);
    if (!hit) return;
    if (this.source.middle?.contains(hit.startContainer)) this.source.open();
    hit.startContainer.parentElement.scrollIntoView({ block: "nearest" });
  }
}

const around = (hit) => hit.startContainer.textContent.slice(Math.max(0, hit.startOffset - 30), hit.startOffset + 60);

function paint(name, ranges) {
  if (!CSS.highlights) return; // the count and the scrolling still work
  if (ranges.length > 0) CSS.highlights.set(name, new Highlight(...ranges));
  else CSS.highlights.delete(name);
}

/** Every place of the words in an element's texts, capitals or not, also across its marks. */
function rangesOf(element, wanted) {
  const pattern = new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&").replace(/\s+/g, "\\s+"), "giu");
  return [...element.querySelectorAll(".turn-name, .turn-text, .source-text")].flatMap((block) => {
    const places = placesOf(block);
    return [...block.textContent.matchAll(pattern)].map((match) => {
      const range = document.createRange();
      range.setStart(...nodeAt(places, match.index));
      range.setEnd(...nodeAt(places, match.index + match[0].length));
      return range;
    });
  });
}

function placesOf(block) {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const places = [];
  let start = 0;
  while (walker.nextNode()) {
    places.push({ node: walker.currentNode, start });
    start += walker.currentNode.length;
  }
  return places;
}

function nodeAt(places, offset) {
  const { node, start } = places.findLast((place) => place.start <= offset);
  return [node, Math.min(offset - start, node.length)];
}
