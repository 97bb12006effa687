// Line charts in the page's colours.

import uPlot from "./vendor/uplot/uPlot.esm.js";

const COLOURS = ["--accent", "--fake", "--real", "--bad"];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A chart in an element: `labels` of its lines; `set([x, y1, y2 ...])` shows data.
export class Chart {
  constructor(element, labels, { height = 150, logarithmic = false, range = null, x = "step" } = {}) {
    Object.assign(this, { element, labels, height, logarithmic, range, x, data: [[], ...labels.map(() => [])] });
    this.make();
    new ResizeObserver(() => this.resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
  }

  make() {
    this.plot?.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    this.plot = new uPlot({
      width: Math.max(this.element.clientWidth, 60),
      height: this.height,
      scales: { x: { time: false }, y: this.logarithmic ? { distr: 3 } : { range: this.range ?? undefined } },
      axes: [{ ...axis, size: 26 }, { ...axis, size: 46 }],
      series: [{ label: this.x }, ...this.labels.map((label, k) => ({
        label, stroke: colour(COLOURS[k % COLOURS.length]), width: 1.6, points: { show: false },
      }))],
      legend: { show: this.labels.length > 1, live: false },
      cursor: { show: false },
    }, this.data, this.element);
  }

  resize() {
    const width = this.element.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  set(data) {
    this.data = data;
    this.plot.setData(data);
  }
}
