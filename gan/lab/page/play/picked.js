// The picked image: sliders and pad move it; D, the classifier and its neighbours beside it.

import { paintOne, paintFrom, pictureOf, save } from "../pictures.js";
import { latestOnly } from "../connection.js";

const REACH = 3; // of sliders and pad
const STEP = 0.1;
const at = (id) => document.getElementById(id);
const clamp = (value) => Math.min(Math.max(value, -REACH), REACH);

export class Picked {
  constructor(view, attempt) {
    this.view = view;
    this.point = null; // { z, label } as shown
    this.drawn = null; // as it was picked
    this.look = latestOnly(attempt(() => this.lookNow()));
    this.drawMap = latestOnly(attempt(() => this.drawMapNow()));
    at("middle").addEventListener("click", () => this.set(this.drawn));
    at("save-picked").addEventListener("click", attempt(async () => {
      const { arrays } = await view.ask("png", view.points([this.point]));
      save(arrays.file, "image.png", "image/png");
    }));
    for (const id of ["pad-x", "pad-y"]) at(id).addEventListener("change", () => this.axesChanged(id));
    this.listenToPad();
  }

  opened() {
    const { shape: [count] } = this.view.about.arrays.axes;
    const names = Array.from({ length: count }, (_, k) => `${k + 1}`);
    at("pad-x").replaceChildren(...names.map((name, k) => new Option(name, k)));
    at("pad-y").replaceChildren(...names.map((name, k) => new Option(name, k)));
    at("pad-y").value = Math.min(1, count - 1);
    at("sliders").replaceChildren(...names.map((name, k) => {
      const label = document.createElement("label");
      const share = (100 * this.view.about.arrays.shares[k]).toFixed(0);
      label.append(`Direction ${name}, ${share} %`);
      const value = document.createElement("output");
      const slider = Object.assign(document.createElement("input"), { type: "range", min: -REACH, max: REACH, step: 0.05, value: 0 });
      slider.addEventListener("input", () => this.moveTo(new Map([[k, Number(slider.value)]])));
      label.append(value, slider);
      return label;
    }));
  }

  axis(k) {
    const size = this.view.about.latent;
    return this.view.about.arrays.axes.subarray(k * size, (k + 1) * size);
  }

  // The coordinate of the point on an axis: axes are orthonormal.
  coordinate(k) {
    return this.axis(k).reduce((sum, a, i) => sum + a * this.point.z[i], 0);
  }

  set(point) {
    this.drawn = point;
    this.point = { z: Float32Array.from(point.z), label: point.label };
    this.changed();
    this.drawMap();
  }

  // Move to these coordinates, { axis: coordinate }, and leave the others.
  moveTo(coordinates) {
    for (const [k, value] of coordinates) {
      const by = value - this.coordinate(k);
      this.axis(k).forEach((a, i) => { this.point.z[i] += by * a; });
    }
    this.changed();
    const [x, y] = this.padAxes;
    if ([...coordinates.keys()].some((k) => k !== x && k !== y)) this.drawMap();
  }

  changed() {
    if (!this.point) return;
    [...at("sliders").children].forEach((label, k) => {
      const value = this.coordinate(k);
      label.querySelector("input").value = value;
      label.querySelector("output").value = value.toFixed(2);
    });
    const [x, y] = this.padAxes.map((k) => this.coordinate(k));
    at("pad-dot").style.left = `${50 + 50 * clamp(x) / REACH}%`;
    at("pad-dot").style.top = `${50 - 50 * clamp(y) / REACH}%`;
    at("pad-place").textContent = `at ${x.toFixed(2)}, ${y.toFixed(2)}`;
    this.look();
  }

  async lookNow() {
    const began = performance.now();
    const { view } = this;
    const answer = await view.ask("look", view.points([this.point]));
    paintOne(at("picked"), answer.arrays.image);
    const label = view.about.classes ? `, ${view.nameOf(this.point.label)}` : "";
    at("picked").setAttribute("aria-label", `The picked image${label}`);
    this.showLogit(answer.logit);
    this.showProbabilities(answer.arrays.probabilities);
    this.showNearest(answer);
    const took = performance.now() - began;
    at("answer-time").textContent = `answered in ${took.toFixed(0)} ms`;
    at("answer-time").dataset.ms = took;
    if (answer.why_no_neighbours?.startsWith("reading")) setTimeout(() => this.look(), 500);
  }

  showLogit(logit) {
    if (!this.view.about.logits) at("logit").textContent = "no D in this file";
    else at("logit").textContent = logit === null ? "not finite" : `${logit.toFixed(2)}, ${logit > 0 ? "real" : "generated"}`;
  }

  showProbabilities(probabilities) {
    at("probabilities").hidden = !probabilities;
    if (!probabilities) {
      at("named").textContent = "nothing: it knows digits only";
      return;
    }
    const best = probabilities.indexOf(Math.max(...probabilities));
    at("named").textContent = `${best}, ${(100 * probabilities[best]).toFixed(1)} %`;
    at("probabilities").setAttribute("aria-label",
      `The classifier's probability of each digit: ${[...probabilities].map((p, k) => `${k}: ${p.toFixed(3)}`).join(", ")}`);
    at("probabilities").replaceChildren(...[...probabilities].map((p, k) => {
      const bar = document.createElement("span");
      const fill = document.createElement("i");
      fill.style.height = `${28 * p}px`;
      bar.append(fill, String(k));
      return bar;
    }));
  }

  showNearest({ arrays, distances, why_no_neighbours: why, among, data, between_real: between }) {
    if (why) {
      at("nearest").replaceChildren();
      at("nearest-note").textContent = why;
      return;
    }
    at("nearest").replaceChildren(...distances.map((distance, k) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = distance.toFixed(3);
      const picture = pictureOf(arrays.nearest, k);
      picture.removeAttribute("aria-hidden");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `Training image at a distance of ${distance.toFixed(3)}`);
      figure.append(picture, caption);
      return figure;
    }));
    const own = between === undefined ? "" : ` The first of them is ${between.toFixed(3)} from its own nearest; a copy would be near 0.`;
    at("nearest-note").textContent = `Of ${among.toLocaleString("en")} images of ${data}, by root mean squared difference.${own}`;
  }

  get padAxes() {
    return [Number(at("pad-x").value), Number(at("pad-y").value)];
  }

  axesChanged(id) {
    const [x, y] = this.padAxes;
    if (x === y) { // the other one steps aside
      const other = at(id === "pad-x" ? "pad-y" : "pad-x");
      other.value = (x + 1) % other.options.length;
    }
    this.changed();
    this.drawMap();
  }

  async drawMapNow() {
    const [x, y] = this.padAxes;
    if (!this.point || x === y) return;
    const { truncation } = this.view;
    const { side, arrays } = await this.view.ask("map", { z: [Array.from(this.point.z)], labels: [this.point.label], x, y, truncation });
    const [, height, width] = arrays.images.shape;
    const canvas = at("pad-map");
    Object.assign(canvas, { width: side * width, height: side * height });
    const tile = document.createElement("canvas");
    for (let k = 0; k < side * side; k++) {
      paintFrom(tile, arrays.images, k);
      canvas.getContext("2d").drawImage(tile, (k % side) * width, Math.floor(k / side) * height);
    }
  }

  listenToPad() {
    const pad = at("pad");
    const go = (event) => {
      const box = pad.getBoundingClientRect();
      const [x, y] = this.padAxes;
      const across = clamp(REACH * (2 * (event.clientX - box.left) / box.width - 1));
      const up = clamp(REACH * (1 - 2 * (event.clientY - box.top) / box.height));
      this.moveTo(new Map([[x, across], [y, up]]));
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      pad.focus();
      go(event);
    });
    pad.addEventListener("pointermove", (event) => { if (event.buttons) go(event); });
    pad.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
      if (!by) return;
      event.preventDefault();
      this.moveTo(new Map(this.padAxes.map((k, i) => [k, clamp(this.coordinate(k) + by[i])])));
    });
  }
}
