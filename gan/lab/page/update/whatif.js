// What if: a number is changed, D is surer, D learns with and without its penalty.

import { Chart } from "../charts.js";
import { latestOnly } from "../connection.js";
import { number } from "./arrays.js";

const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function tableOf(head, rows) {
  const table = document.createElement("table");
  const line = (cells, tag) => {
    const row = document.createElement("tr");
    cells.forEach((text, k) => {
      const cell = document.createElement(k ? tag : "th");
      if (!k || tag === "th") cell.scope = tag === "th" ? "col" : "row";
      cell.textContent = text;
      row.append(cell);
    });
    return row;
  };
  const top = document.createElement("thead");
  top.append(line(head, "th"));
  const body = document.createElement("tbody");
  body.append(...rows.map((cells) => line(cells, "td")));
  table.append(top, body);
  return table;
}

const paragraph = (text) => Object.assign(document.createElement("p"), { textContent: text });

// Changes one entry and shows what the loss does.
export class Change {
  constructor(attempt) {
    at("change-form").addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => this.ask())();
    });
  }

  hide() {
    at("change-card").hidden = true;
  }

  choose(name, parameter, index, value, place, ask) {
    Object.assign(this, { name, place, send: ask });
    at("change-card").hidden = false;
    const where = `[${index.join(", ")}]`;
    const here = `${name}${where} is ${number(value)}.`;
    at("change-what").textContent = !parameter ? `A pixel: ${here}` : parameter === name ? here : `${here} It belongs to ${parameter}${where}, which is changed.`;
    at("change-result").replaceChildren();
    at("change-card").scrollIntoView({ block: "nearest" });
    at("change-by").focus({ preventScroll: true });
  }

  async ask() {
    const by = Number(at("change-by").value);
    at("change-result").replaceChildren(paragraph("Doing the step again in float64 …"));
    const { stage, before, after, quotient, slope, gradient, double, penalty } = await this.send("update change", { array: this.name, place: this.place, by });
    const loss = stage === "G's update" ? "L_G" : penalty ? "L_D with the penalty" : "L_D";
    const rows = [
      [`${loss} before`, before.toPrecision(9)],
      [`${loss} after`, after.toPrecision(9)],
      ["change of the loss / your change", number(quotient)],
      ["the same for a change near 0", number(slope)],
      [penalty && stage !== "G's update" ? "what the gradient said, the loss’s and the penalty’s part" : "what the gradient said", gradient === null ? "none was computed" : number(gradient)],
    ];
    if (double !== null) rows.push(["the same backward pass in float64", number(double)]);
    at("change-result").replaceChildren(tableOf(["", ""], rows), paragraph(verdict(slope, gradient, double ?? gradient)));
  }
}

// What the difference quotient says of the gradient.
function verdict(slope, gradient, exact) {
  if (gradient === null) return "The loss depends on this number, but this update does not move it: no gradient was asked for.";
  if (!gradient && Math.abs(slope) < 1e-9) return "The gradient is 0, and so is the change of the loss.";
  const digits = (a, b) => Math.floor(-Math.log10(Math.max(Math.abs(a / b - 1), 1e-12)));
  const agree = digits(slope, exact);
  if (!(agree >= 3)) return "They differ: the loss has a kink nearby, as a ReLU makes, or the gradient is so small that rounding shows.";
  return `The gradient is right: it agrees to ${agree} digits${exact === gradient ? "" : ` in float64, and to ${Math.max(digits(gradient, exact), 0)} in the step’s float32`}.`;
}

// The gradient of G's loss at D's logits, and what reaches G.
export class Certain {
  constructor(attempt) {
    this.load = latestOnly(attempt((shift) => this.ask(shift)));
    at("certain").addEventListener("input", () => {
      this.draw();
      this.load(Number(at("certain").value));
    });
  }

  show(answer, send) {
    const { arrays } = answer;
    at("certain-card").hidden = !arrays["curve.logit"];
    if (!arrays["curve.logit"]) return;
    this.send = send;
    this.logits = Array.from(arrays["fake.picture"]);
    this.curves = { logit: Array.from(arrays["curve.logit"]), saturating: Array.from(arrays["curve.saturating"]), non_saturating: Array.from(arrays["curve.non_saturating"]) };
    at("certain").value = 0;
    at("certain-result").replaceChildren(paragraph("Going back through D and G in float64 …"));
    this.draw();
    this.load(0);
  }

  draw() {
    const shift = Number(at("certain").value);
    at("certain-value").textContent = String(shift).replace("-", "−");
    const { logit } = this.curves;
    const [left, right] = [logit[0], logit[logit.length - 1]];
    const x = (value) => (600 * (Math.min(Math.max(value, left), right) - left)) / (right - left);
    const y = (value) => 10 - 180 * value; // gradients from 0 down to -1
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "-50 0 680 240");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "The gradient of G's loss at D's logit, from -12 to 12: the saturating loss gives 0 at the left and -1 at the right, the other one -1 at the left and 0 at the right");
    const add = (tag, attributes, text = "") => {
      const element = document.createElementNS(SVG, tag);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      element.textContent = text;
      svg.append(element);
    };
    add("line", { x1: 0, x2: 600, y1: y(0), y2: y(0), class: "axis" });
    add("line", { x1: x(0), x2: x(0), y1: y(0), y2: y(-1), class: "axis" });
    for (const value of [0, -0.5, -1]) add("text", { x: -8, y: y(value) + 4, class: "tick", "text-anchor": "end" }, String(value).replace("-", "−"));
    for (const value of [-12, -6, 0, 6, 12]) add("text", { x: x(value), y: y(-1) + 26, class: "tick", "text-anchor": "middle" }, String(value).replace("-", "−"));
    add("text", { x: 0, y: y(-1) + 44, class: "tick" }, "D is sure: generated");
    add("text", { x: 600, y: y(-1) + 44, class: "tick", "text-anchor": "end" }, "D is sure: real");
    for (const name of ["saturating", "non_saturating"]) {
      add("polyline", { points: logit.map((at, k) => `${x(at).toFixed(1)},${y(this.curves[name][k]).toFixed(1)}`).join(" "), class: name });
      for (const each of this.logits) {
        const k = Math.round(((Math.min(Math.max(each + shift, left), right) - left) / (right - left)) * (logit.length - 1));
        add("circle", { cx: x(each + shift), cy: y(this.curves[name][k]), r: 4, class: name });
      }
    }
    add("text", { x: 14, y: y(0) + 22, class: "saturating label" }, "saturating: log(1 − σ)");
    add("text", { x: 14, y: y(-1) - 10, class: "non_saturating label" }, "non-saturating: −log σ");
    at("certain-chart").replaceChildren(svg);
  }

  async ask(shift) {
    const { objectives } = await this.send("update certain", { shift });
    const names = { saturating: "saturating, G minimizes log(1 − σ)", non_saturating: "non-saturating, G minimizes −log σ" };
    const rows = objectives.map(({ name, logit, norm }) => [names[name], number(logit), number(norm)]);
    at("certain-result").replaceChildren(
      tableOf(["loss", "mean size of the gradient at a logit × N", "norm of the gradient of all of G’s parameters"], rows),
      paragraph(shift <= -8
        ? "D is certain: σ is 0 on all these images. The saturating loss is flat there, so G is given nothing, whatever D’s layers do with it. The non-saturating loss gives each logit its full −1."
        : "Move the slider to the left: D becomes certain that these images are generated."),
    );
  }
}

// D alone, without and with the penalty.
export class Alone {
  constructor(attempt) {
    at("alone").addEventListener("click", attempt(() => this.ask()));
  }

  show(station, send) {
    at("alone-card").hidden = !["discriminator_loss", "penalty"].includes(station.what);
    at("alone-result").hidden = true;
    this.send = send;
  }

  async ask() {
    at("alone").disabled = true;
    at("alone").textContent = "D is learning …";
    try {
      const { without, with: held, steps, penalty, is_own: isOwn } = await this.send("update penalty", {});
      at("alone-result").hidden = false;
      this.chart ??= new Chart(at("alone-chart"), ["real, without", "generated, without", "real, with", "generated, with"], { range: [0, 1] });
      this.chart.set([without.real.map((_, k) => k + 1), without.real, without.fake, held.real, held.fake]);
      const last = (list) => number(list[list.length - 1]);
      at("alone-table").replaceChildren(
        tableOf(["after the steps", "without", "with"], [
          ["D’s mean output on training images", last(without.real), last(held.real)],
          ["D’s mean output on generated images", last(without.fake), last(held.fake)],
          ["D’s mean slope |∂D/∂x|", number(without.slope), number(held.slope)],
          ["gradient that G gets, mean |∂L/∂x| × N", number(without.gradient), number(held.gradient)],
        ]),
        paragraph(`${steps} steps on this batch, with ${penalty} in each step${isOwn ? "" : "; this recipe has none of its own"}. Without it, D goes on until it is certain, and its slope grows: a small change of a pixel changes its opinion a lot. With it, D stays flatter around the images, and less certain. The gradient that G gets goes through that slope: ∂L/∂x = ∂L/∂D · ∂D/∂x.`),
      );
    } finally {
      at("alone").disabled = false;
      at("alone").textContent = "Let D learn";
    }
  }
}
