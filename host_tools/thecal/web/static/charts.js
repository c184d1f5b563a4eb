// The course, drawn by uPlot: one chart for each kind of series. Each series has its own dash as well as its colour.
import { by, draw, make, put } from "./dom.js";

const TITLES = { rate: "Rate", dose: "Dose given", tip: "Dose out of the catheter's tip", windows: "Windows against limits", reservoir: "Reservoir" };
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 4]];
const HEIGHT = 140, EVERY_MS = 200;

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Charts {
  constructor() {
    this.rows = [];
    this.charts = [];
    this.drawnAt = 0;
    this.due = false;
    for (const id of ["span", "back"]) by(id).addEventListener("input", () => this.soon(true));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build(this.columns ?? []));
    new ResizeObserver(() => this.resize()).observe(by("plots"));
  }

  build(columns) {
    this.columns = columns;
    for (const chart of this.charts) chart.plot.destroy();
    this.charts = [];
    const kinds = [...new Set(columns.map((column) => column.chart))];
    by("plots").replaceChildren(...kinds.map((kind) => this.one(kind)));
    this.resize();
    this.soon(true);
  }

  one(kind) {
    const own = this.columns.map((column, at) => ({ ...column, at: at + 1 })).filter((column) => column.chart === kind);
    const id = `chart-${kind}`;
    const now = make("ul", { cls: "now", "aria-label": `${TITLES[kind]}: at the end, or where the pointer is` });
    const lines = own.map((column, at) => {
      const colour = style(`--s${at % 6}`), dash = DASHES[at % DASHES.length];
      const sample = draw("svg", { width: 30, height: 10, "aria-hidden": "true" });
      sample.append(draw("line", { x1: 0, x2: 30, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") }));
      const value = make("span");
      now.append(make("li", {}, sample, value));
      return { ...column, colour, dash, value };
    });
    const plot = make("div", { cls: "plot", role: "img", "aria-labelledby": id });
    const chart = { kind, lines, box: plot };
    const axis = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line") } };
    chart.plot = new uPlot({
      width: 300, height: HEIGHT, legend: { show: false },
      cursor: { sync: { key: "thecal" }, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: () => this.range() }, y: { range: (u, low, high) => spread(kind, low, high) } },
      axes: [{ ...axis, values: (u, ticks) => ticks.map(hours), space: 70 }, { ...axis, size: 62 }],
      series: [{}, ...lines.map((line) => ({ stroke: line.colour, width: 2, dash: line.dash, spanGaps: true, points: { show: false } }))],
      hooks: { setCursor: [() => this.tell(chart)] },
    }, this.dataOf(lines), plot);
    this.charts.push(chart);
    return make("figure", {}, make("figcaption", { id, text: `${TITLES[kind]} (${lines[0].unit})` }), now, plot);
  }

  dataOf(lines) {
    return [this.rows.map((row) => row[0]), ...lines.map((line) => this.rows.map((row) => row[line.at]))];
  }

  // What is shown: all, or a piece of it that ends where the slider stands.
  range() {
    const last = this.rows.length ? this.rows[this.rows.length - 1][0] : 0;
    const span = Number(by("span").value);
    if (!span || last <= span) return [0, span || Math.max(last, 0.002)];
    const from = ((last - span) * Number(by("back").value)) / 1000;
    return [from, from + span];
  }

  anew(rows) { this.rows = rows; this.soon(); }
  more(rows) { this.rows.push(...rows); this.soon(); }

  soon(now = false) {
    if (this.due) return;
    this.due = true;
    const wait = now ? 0 : Math.max(0, EVERY_MS - (performance.now() - this.drawnAt));
    setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  draw() {
    this.due = false;
    this.drawnAt = performance.now();
    by("back").disabled = !Number(by("span").value);
    for (const chart of this.charts) {
      chart.plot.setData(this.dataOf(chart.lines));
      this.tell(chart);
    }
  }

  tell(chart) {
    if (!chart.plot) return;
    const at = chart.plot.cursor?.idx ?? this.rows.length - 1;
    const row = this.rows[at] ?? [];
    for (const line of chart.lines) {
      const value = row[line.at];
      put(line.value, `${line.name}: ${value === null || value === undefined ? "–" : figure(value)} ${line.unit}`);
    }
  }

  resize() {
    for (const chart of this.charts) {
      const width = chart.box.clientWidth;
      if (width > 0 && width !== chart.plot.width) chart.plot.setSize({ width, height: HEIGHT });
    }
  }
}

function spread(kind, low, high) {
  if (low === null || low === undefined) return [0, 1];
  if (kind === "windows") return [0, Math.max(105, high * 1.05)];
  if (kind === "reservoir") {
    const room = Math.max((high - low) * 0.15, 0.005);
    return [Math.max(0, low - room), high + room];
  }
  return [0, high > 0 ? high * 1.12 : 1];
}

export function figure(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(5)));
}

function hours(value) {
  if (value >= 72 && Number.isInteger(value / 24)) return `${value / 24} d`;
  if (value === 0) return "0";
  const minutes = Math.round(value * 60 * 100) / 100;
  return Math.abs(value) < 2 ? `${minutes} min` : `${Math.round(value * 100) / 100} h`;
}
