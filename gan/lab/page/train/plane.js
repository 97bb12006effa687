// The plane of a run on points: D's output as a map, the data, G's points, and the pull on each.

const at = (id) => document.getElementById(id);
const SIZE = 480; // pixels of the canvas
const ARROW = 0.12; // of the canvas's width, for a gradient of length 1
const LONGEST = 0.16; // of the canvas's width

const parsed = (name) => {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
  return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
};
const css = (rgb) => `rgb(${rgb.join(" ")})`;
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

export class Plane {
  constructor(connection, attempt) {
    Object.assign(this, { connection, attempt, data: null, latest: null, frames: 0, settings: {} });
    this.map = document.createElement("canvas");
    connection.on("data", ({ arrays }) => {
      this.data = arrays.data;
    });
    connection.on("plane", (message) => {
      if (!this.latest) requestAnimationFrame(() => this.draw());
      this.latest = message;
    });
    at("arrows").addEventListener("change", () => this.redraw());
    at("live-objective").addEventListener("change", () => this.change());
    at("live-penalty-on").addEventListener("change", () => this.change());
    at("live-penalty").addEventListener("change", () => this.change());
    at("hold").addEventListener("change", () => this.change());
    this.setColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.setColours();
      this.redraw();
    });
  }

  setColours() {
    this.colours = Object.fromEntries(["real", "fake", "card", "ink"].map((name) => [name, parsed(`--${name}`)]));
  }

  // Let the server give the run other settings; it then tells all pages.
  change() {
    const weight = at("live-penalty").value === "" ? null : Number(at("live-penalty").value);
    this.attempt(() => this.connection.request("change", {
      objective: at("live-objective").value || null,
      penalty: at("live-penalty-on").checked ? weight : 0,
      g_learning_rate: at("hold").checked ? 1e-12 : null,
    }))();
  }

  // `recipes` and `objectives` are the server's choices; `about` is the state of the run.
  showState({ state, points, settings, recipe }, recipes, objectives) {
    at("live").toggleAttribute("data-points", Boolean(points));
    const fixed = !["running", "paused"].includes(state);
    for (const id of ["live-objective", "live-penalty-on", "live-penalty", "hold"]) at(id).disabled = fixed;
    if (!at("live-objective").options.length) {
      at("live-objective").append(new Option("the recipe’s", ""), ...objectives.map((name) => new Option(name, name)));
    }
    if (!recipe || document.activeElement === at("live-penalty")) return;
    const own = recipes.find(({ name }) => name === recipe)?.weight ?? null;
    at("live-objective").value = settings.objective ?? "";
    at("live-penalty-on").checked = (settings.penalty ?? own ?? 0) > 0;
    at("live-penalty").value = settings.penalty || own || 0.02;
    at("hold").checked = settings.g_learning_rate !== null && settings.g_learning_rate < 1e-9;
  }

  redraw() {
    if (this.drawn) {
      this.latest = this.drawn;
      this.draw();
    }
  }

  draw() {
    const { step, d_made: dMade, slope, arrays } = this.latest;
    this.drawn = this.latest;
    this.latest = null;
    const canvas = at("plane-map");
    const context = canvas.getContext("2d");
    if (canvas.width !== SIZE) Object.assign(canvas, { width: SIZE, height: SIZE });
    this.paintMap(arrays.logits);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.map, 0, 0, SIZE, SIZE);
    if (this.data) this.dots(context, this.data, 1.6, css(this.colours.real));
    if (at("arrows").checked) this.arrows(context, arrays.made, arrays.pull);
    this.dots(context, arrays.made, 3, css(this.colours.fake), css(this.colours.card));
    this.frames += 1;
    canvas.dataset.frames = this.frames;
    canvas.dataset.step = step;
    at("plane-step").textContent = `step ${step.toLocaleString("en")}`;
    at("d-made").textContent = dMade === null ? "not finite" : dMade.toPrecision(3);
    at("pull").textContent = slope === null ? "not finite" : slope.toPrecision(3);
  }

  // D's output as a probability: the colour of generated points at 0, of the data at 1.
  paintMap(logits) {
    const [rows, columns] = logits.shape;
    Object.assign(this.map, { width: columns, height: rows });
    const picture = new ImageData(columns, rows);
    const { real, fake, card } = this.colours;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const t = 2 * sigmoid(logits[row * columns + column]) - 1;
        const end = t > 0 ? real : fake;
        const share = 0.6 * Math.abs(t);
        const k = 4 * ((rows - 1 - row) * columns + column); // the lowest row is the first
        for (let c = 0; c < 3; c++) picture.data[k + c] = card[c] + share * (end[c] - card[c]);
        picture.data[k + 3] = 255;
      }
    }
    this.map.getContext("2d").putImageData(picture, 0, 0);
  }

  dots(context, points, radius, fill, edge = null) {
    context.fillStyle = fill;
    for (let k = 0; k < points.length; k += 2) {
      context.beginPath();
      context.arc(points[k] * SIZE, (1 - points[k + 1]) * SIZE, radius, 0, 2 * Math.PI);
      context.fill();
      if (edge) {
        context.strokeStyle = edge;
        context.lineWidth = 1;
        context.stroke();
      }
    }
  }

  arrows(context, made, pull) {
    context.strokeStyle = css(this.colours.ink);
    context.lineWidth = 1;
    context.beginPath();
    for (let k = 0; k < made.length; k += 2) {
      const length = Math.hypot(pull[k], pull[k + 1]);
      if (!(length > 0)) continue;
      const scale = (SIZE * Math.min(ARROW * length, LONGEST)) / length;
      const [x, y] = [made[k] * SIZE, (1 - made[k + 1]) * SIZE];
      context.moveTo(x, y);
      context.lineTo(x + scale * pull[k], y - scale * pull[k + 1]);
    }
    context.stroke();
  }
}
