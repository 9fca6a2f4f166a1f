// Live curves of a run: asks for the points after the last step it has, every two seconds while the run lives.
const POLL_MS = 2000;
const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4]];
const TABLE_ROWS = 200;

const TALL = 190;

const root = document.getElementById("curves");
const specs = JSON.parse(document.getElementById("curve-specs").textContent);
const { default: uPlot } = await import(root.dataset.uplot);

const points = new Map(); // metric -> Map(step -> value)
let lastStep = null;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const stopSteps = () =>
  [...document.querySelectorAll("#run-status [data-stop-step]")].map((stop) => Number(stop.dataset.stopStep));
const live = () => document.getElementById("run-status")?.dataset.live === "true";

function readable(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  const text = size > 0 && size < 0.001 ? size.toExponential(1) : size.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
  return value < 0 ? `\u2212${text}` : text;
}

const WHOLE = [1, 2, 5].flatMap((one) => [0, 1, 2, 3, 4, 5].map((power) => one * 10 ** power)).sort((one, other) => one - other);

function tickTexts(ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
  let digits = 0; // as many as the step has: 0.25 is two
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  return ticks.map((tick) => (Math.abs(tick) >= 1000 ? Math.round(tick).toLocaleString("en") : tick.toFixed(digits)));
}

function aligned(names) {
  const steps = [...new Set(names.flatMap((name) => [...(points.get(name)?.keys() ?? [])]))].sort((a, b) => a - b);
  return [steps, ...names.map((name) => steps.map((step) => points.get(name)?.get(step) ?? null))];
}

class Chart {
  constructor(spec, figure) {
    this.spec = spec;
    this.place = figure.querySelector(".plot");
    this.now = figure.querySelector(".now");
    this.details = figure.querySelector("details");
    this.table = figure.querySelector("details .scroll");
    this.plot = null;
    this.details.addEventListener("toggle", () => this.tabulate());
    new ResizeObserver(() => this.resize()).observe(this.place);
  }

  get names() {
    return this.spec.series.filter((name) => points.has(name));
  }

  width() {
    return Math.max(200, Math.floor(this.place.clientWidth));
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: TALL });
  }

  options(names) {
    const axis = { stroke: css("--pico-muted-color"), grid: { stroke: css("--grid"), width: 1 }, ticks: { show: false } };
    return {
      width: this.width(),
      height: TALL,
      cursor: { y: false, sync: { key: "run" } },
      legend: { show: names.length > 1, live: false },
      scales: { x: { time: false }, y: { range: (_, low, high) => this.range(low, high) } },
      axes: [
        { ...axis, incrs: WHOLE, label: "step", labelSize: 16, size: 34, labelFont: "11px sans-serif", font: "11px sans-serif" },
        { ...axis, size: 52, font: "11px sans-serif", values: (_, ticks) => tickTexts(ticks) },
      ],
      series: [
        { label: "step" },
        ...names.map((name, index) => ({
          label: name.replaceAll("_", " "),
          stroke: css(COLOURS[index % COLOURS.length]),
          dash: DASHES[index % DASHES.length],
          width: 2,
          spanGaps: true,
          points: { show: (plot) => plot.data[0].length < 40, size: 5 },
        })),
      ],
      hooks: { draw: [(plot) => this.target(plot), (plot) => this.stops(plot)] },
    };
  }

  range(low, high) {
    if (low === null) return [0, 1];
    if (this.spec.target !== null) [low, high] = [Math.min(low, this.spec.target, 0), Math.max(high, this.spec.target)];
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - room, high + room];
  }

  target(plot) {
    if (this.spec.target === null) return;
    const y = plot.valToPos(this.spec.target, "y", true);
    plot.ctx.save();
    plot.ctx.strokeStyle = css("--warn");
    plot.ctx.setLineDash([6, 5]);
    plot.ctx.beginPath();
    plot.ctx.moveTo(plot.bbox.left, y);
    plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
    plot.ctx.stroke();
    plot.ctx.fillStyle = css("--warn");
    plot.ctx.textAlign = "left";
    plot.ctx.textBaseline = "bottom";
    plot.ctx.font = `${11 * devicePixelRatio}px sans-serif`;
    plot.ctx.fillText(`target ${readable(this.spec.target)}`, plot.bbox.left + 6, y - 2);
    plot.ctx.restore();
  }

  // Where a stop rule fired; the status panel above says which one and why.
  stops(plot) {
    for (const step of stopSteps()) {
      const x = plot.valToPos(step, "x", true);
      plot.ctx.save();
      plot.ctx.strokeStyle = css("--bad");
      plot.ctx.setLineDash([3, 3]);
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, plot.bbox.top);
      plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
      plot.ctx.restore();
    }
  }

  draw({ fresh = false } = {}) {
    const names = this.names;
    if (names.length === 0) return;
    const data = aligned(names);
    if (fresh || this.plot === null || this.plot.series.length !== names.length + 1) {
      this.plot?.destroy();
      this.place.replaceChildren();
      this.plot = new uPlot(this.options(names), data, this.place);
    } else {
      this.plot.setData(data);
    }
    this.now.textContent = names
      .map((name, index) => `${names.length > 1 ? `${name.replaceAll("_", " ")} ` : ""}${readable(data[index + 1].findLast((v) => v !== null))}`)
      .join(" · ") + (this.spec.unit ? ` ${this.spec.unit}` : "");
    this.tabulate();
  }

  tabulate() {
    if (!this.details.open || this.names.length === 0) return;
    const names = this.names;
    const [steps, ...columns] = aligned(names);
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const name of ["step", ...names]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = "number";
      cell.textContent = name.replaceAll("_", " ");
      head.append(cell);
    }
    const body = table.createTBody();
    for (let index = steps.length - 1; index >= Math.max(0, steps.length - TABLE_ROWS); index -= 1) {
      const row = body.insertRow();
      for (const text of [steps[index], ...columns.map((column) => readable(column[index]))]) {
        const cell = row.insertCell();
        cell.className = "number";
        cell.textContent = text;
      }
    }
    this.table.replaceChildren(table);
  }
}

const charts = specs.map((spec, index) => new Chart(spec, root.querySelector(`[data-curve="${index}"]`)));

async function load() {
  const address = new URL(root.dataset.metrics, location.href);
  // From the last step on, not after it: a measurement of that step may have been written since.
  if (lastStep !== null) address.searchParams.set("after", lastStep - 1);
  const response = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!response.ok) throw new Error(`${response.status}`);
  const { series, last_step: last } = await response.json();
  for (const [name, values] of Object.entries(series)) {
    if (!points.has(name)) points.set(name, new Map());
    for (const [step, value] of values) points.get(name).set(step, value);
  }
  if (Object.keys(series).length > 0) {
    lastStep = last ?? lastStep;
    for (const chart of charts) chart.draw();
  }
}

function redraw() {
  for (const chart of charts) chart.draw({ fresh: true });
}

document.addEventListener("kedge:theme", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// One more load after the run has ended: its last points were written before its state.
for (let ended = false; !ended; ) {
  ended = !live();
  try {
    await load();
    root.removeAttribute("data-lost");
  } catch {
    root.dataset.lost = "true"; // said so by CSS; the next turn tries again
    ended = false;
  }
  if (!ended) await new Promise((done) => setTimeout(done, document.hidden ? 5 * POLL_MS : POLL_MS));
}
document.documentElement.dataset.curves = "complete";
