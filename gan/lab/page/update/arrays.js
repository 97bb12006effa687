// Arrays as pictures, histograms, figures and numbers.

import { formula, nameOf } from "./formula.js";

const ROWS = 12;
const COLUMNS = 8;

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

export const number = (value) => {
  if (value === null || Number.isNaN(value)) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2).replace("e-", "e−") : String(Number(value.toPrecision(4)));
};

const colour = (name) => {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
};

// Paint float values (height, width): grey from low to high, or from 0 to both sides. NaN is a gap.
export function paintValues(canvas, values, range) {
  const [height, width] = values.shape;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const picture = new ImageData(width, height);
  const [zero, up, down] = ["--zero", "--up", "--down"].map(colour);
  let most = 0;
  for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (Number.isNaN(value)) continue;
    let rgb;
    if (range) {
      const grey = 255 * Math.min(Math.max((value - range[0]) / (range[1] - range[0]), 0), 1);
      rgb = [grey, grey, grey];
    } else {
      const share = most ? Math.sqrt(Math.min(Math.abs(value) / most, 1)) : 0;
      const end = value > 0 ? up : down;
      rgb = zero.map((from, c) => from + share * (end[c] - from));
    }
    picture.data.set([...rgb, 255], 4 * k);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return most;
}

// A histogram with counts on a logarithmic scale, as an SVG.
function histogramOf(counts, low, high, label) {
  const most = Math.log1p(Math.max(...counts, 1));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${counts.length} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "histogram");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  counts.forEach((count, k) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = (20 * Math.log1p(count)) / most;
    const attributes = { x: k + 0.08, width: 0.84, y: 20 - height, height };
    for (const [key, value] of Object.entries(attributes)) bar.setAttribute(key, value);
    const middle = low + ((k + 0.5) * (high - low)) / counts.length;
    bar.setAttribute("class", middle < 0 ? "below" : "above");
    svg.append(bar);
  });
  return svg;
}

// A card for each array of a station. `ask(kind, fields)` asks the server about this station;
// `onPlace(name, parameter, index, value, place)` is called when an entry that can be changed is picked.
export class Arrays {
  constructor(element, attempt, onPlace) {
    Object.assign(this, { element, attempt, onPlace, painted: [] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const repaint of this.painted) repaint();
    });
  }

  show(answer, station, imageRange, ask) {
    Object.assign(this, { ask, painted: [] });
    this.element.replaceChildren(...answer.items.map((item) => this.card(item, answer.arrays, station, imageRange)));
  }

  card(item, arrays, station, imageRange) {
    const values = arrays[`${item.name}.picture`];
    const [tex, words] = nameOf(item.name, station.what, station.of);
    const title = make("h4", {}, formula(tex), ` ${words} `, make("span", { className: "shape", textContent: `(${item.shape.join(", ")})` }));
    const isGrey = item.kind === "images" && ["x", "y"].includes(item.name) && ["forward", "batch"].includes(station.what);
    const card = make("div", { className: "array" }, title);
    card.dataset.name = item.name;
    if (item.figures.size === 1) {
      card.append(make("p", { className: "single", textContent: number(values[0]) }));
      if (item.changeable) card.append(this.picker(item, [0, 0]));
      return card;
    }
    const canvas = make("canvas", { className: `values ${item.kind}` });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${words}: ${item.shown}`);
    const [height, width] = values.shape;
    const zoom = Math.max(1, Math.min(14, Math.round(300 / width), Math.round(300 / height)));
    canvas.style.width = `${width * zoom}px`;
    if (height === 1) canvas.style.height = "22px";
    const legend = make("span", { className: "legend" });
    const paint = () => {
      const most = paintValues(canvas, values, isGrey ? imageRange : null);
      legend.textContent = isGrey ? `black ${number(imageRange[0])}, white ${number(imageRange[1])}` : `±${number(most)}`;
      legend.classList.toggle("grey", isGrey);
    };
    paint();
    this.painted.push(paint);
    const readout = make("span", { className: "readout" });
    this.listen(canvas, readout, values, item);
    const { figures } = item;
    const odd = figures.not_finite ? `, ${figures.not_finite} not finite` : "";
    const zeros = figures.zeros > 0 ? `, ${(100 * figures.zeros).toFixed(figures.zeros < 0.1 ? 1 : 0)} % zero` : "";
    card.append(
      make("div", { className: "frame" }, canvas),
      make("p", { className: "hint under" }, legend, ` ${item.shown}`, readout),
      histogramOf(Array.from(arrays[`${item.name}.histogram`]), item.low, item.high, `Histogram of ${words}`),
      make("p", { className: "hint ends" }, make("span", { textContent: number(item.low) }), make("span", { textContent: number(item.high) })),
      make("p", { className: "hint", textContent: `mean ${number(figures.mean)}, std ${number(figures.std)}, norm ${number(figures.norm)}${zeros}${odd}` }),
      this.numbers(item),
    );
    return card;
  }

  // The value under the pointer; a click picks it.
  listen(canvas, readout, values, item) {
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const [height, width] = values.shape;
      const x = Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * width), 0), width - 1);
      const y = Math.min(Math.max(Math.floor(((event.clientY - box.top) / box.height) * height), 0), height - 1);
      const near = [[x, y], [x + 1, y], [x, y + 1], [x + 1, y + 1]]; // a gap stands for the tile after it
      const [i, j] = near.find(([a, b]) => a < width && b < height && !Number.isNaN(values[b * width + a])) ?? [x, y];
      return { x: i, y: j, value: values[j * width + i] };
    };
    canvas.addEventListener("pointermove", (event) => {
      const { value } = at(event);
      readout.textContent = Number.isNaN(value) ? "" : ` ${number(value)}`;
    });
    canvas.addEventListener("pointerleave", () => { readout.textContent = ""; });
    if (!item.changeable) return;
    canvas.classList.add("pickable");
    canvas.addEventListener("click", this.attempt(async (event) => {
      const { x, y, value } = at(event);
      if (Number.isNaN(value)) return;
      const { place, index, value: exact } = await this.ask("update place", { array: item.name, x, y });
      this.onPlace(item.name, item.parameter, index, exact, place);
    }));
  }

  picker(item, [row, column], columns = 1, text = "Change it", value = null) {
    const button = make("button", { type: "button", className: "quiet", textContent: text });
    button.addEventListener("click", this.attempt(async () => {
      const place = row * columns + column;
      const index = item.shape.length > 1 ? [row, column] : [place];
      const exact = value ?? (await this.ask("update numbers", { array: item.name, row: 0, column: 0 })).arrays.numbers[0];
      this.onPlace(item.name, item.parameter, index, exact, place);
    }));
    return button;
  }

  // A window of numbers, on request.
  numbers(item) {
    const box = make("details", { className: "numbers" }, make("summary", { textContent: "Numbers" }));
    const from = { row: 0, column: 0 };
    const load = this.attempt(async () => {
      const { rows, columns, arrays } = await this.ask("update numbers", { array: item.name, ...from });
      const shown = arrays.numbers;
      const [height, width] = shown.shape;
      const table = make("table", {});
      const head = make("tr", {}, make("th", { scope: "col", textContent: "" }));
      for (let j = 0; j < width; j++) head.append(make("th", { scope: "col", textContent: from.column + j }));
      table.append(make("thead", {}, head));
      const body = make("tbody");
      for (let i = 0; i < height; i++) {
        const row = make("tr", {}, make("th", { scope: "row", textContent: from.row + i }));
        for (let j = 0; j < width; j++) {
          const value = shown[i * width + j];
          const cell = make("td", {});
          cell.append(item.changeable ? this.picker(item, [from.row + i, from.column + j], columns, number(value), value) : number(value));
          row.append(cell);
        }
        body.append(row);
      }
      table.append(body);
      const move = (label, text, key, by, limit) => {
        const button = make("button", { type: "button", className: "quiet", textContent: text });
        button.setAttribute("aria-label", label);
        button.disabled = by < 0 ? from[key] === 0 : from[key] + by >= limit;
        button.addEventListener("click", () => {
          from[key] = Math.max(0, from[key] + by);
          load();
        });
        return button;
      };
      const scroll = make("div", { className: "scroll", tabIndex: 0 }, table);
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", "Numbers");
      box.replaceChildren(
        box.firstChild,
        scroll,
        make("div", { className: "row" },
          move("Rows above", "↑", "row", -ROWS, rows), move("Rows below", "↓", "row", ROWS, rows),
          move("Columns to the left", "←", "column", -COLUMNS, columns), move("Columns to the right", "→", "column", COLUMNS, columns),
          make("span", { className: "hint", textContent: `${rows.toLocaleString("en")} rows, ${columns.toLocaleString("en")} columns` })),
      );
    });
    box.addEventListener("toggle", () => { if (box.open) load(); });
    return box;
  }
}
