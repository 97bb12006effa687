// The view "Train": this lab's run and its controls.

import { Chart } from "../charts.js";
import { paintFrom } from "../pictures.js";
import { Watched } from "./watched.js";

const at = (id) => document.getElementById(id);
const BUSY = ["starting", "running", "paused", "stopping"];

const SAID = {
  idle: "none yet",
  starting: "starting: reading the images; a recipe with clusters finds them first, and kernels may be compiled",
  running: "running",
  paused: "paused; all is saved, and One update can open the next step",
  stopping: "stopping after this step, then saving",
  done: "done",
  stopped: "stopped; all is saved",
  failed: "failed",
};

export class TrainView {
  constructor(connection, attempt) {
    Object.assign(this, { connection, attempt, state: "idle", step: 0 });
    this.watched = new Watched(connection, attempt);
    connection.on("training", (message) => this.showState(message));
    connection.on("samples", (message) => this.showSamples(message));
    connection.on("losses", (message) => this.showLosses(message.arrays));
    connection.on("layers", (message) => this.showLayers(message));
    const press = (id, kind) => at(id).addEventListener("click", attempt(async () => {
      this.showState(await connection.request(kind()));
    }));
    press("pause", () => (this.state === "paused" ? "go on" : "pause"));
    press("step-once", () => "step");
    press("stop", () => "stop");
    press("fid", () => "fid");
    at("recipe").addEventListener("change", () => this.showRecipe());
    at("start-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
  }

  connected() {
    this.attempt(async () => {
      const choices = await this.connection.request("choices");
      if (!this.recipes) {
        at("recipe").replaceChildren(...choices.recipes.map(({ name }) => new Option(name, name)));
        at("dataset").replaceChildren(...choices.datasets.map((name) => new Option(name, name)));
        at("recipe").value = choices.recipe;
      }
      this.recipes = choices.recipes;
      this.showRecipe();
      this.showState(await this.connection.request("training"));
      await this.watched.list();
    })();
  }

  shown() {
    this.makeCharts();
    if (this.curves) this.showLosses(this.curves);
    if (this.recipes) this.attempt(() => this.watched.list())();
  }

  // Charts need an element with a width.
  makeCharts() {
    if (at("view-train").hidden || at("live").hasAttribute("data-empty")) return;
    this.losses ??= new Chart(at("loss-chart"), ["D", "G", "penalty"]);
    this.outputs ??= new Chart(at("output-chart"), ["on real", "on generated"], { range: [0, 1] });
  }

  showRecipe() {
    const { origin, length, batch_size, learning_rate, penalty } = this.recipes.find(({ name }) => name === at("recipe").value);
    at("recipe-hint").textContent = `${origin}; ${length}; batches of ${batch_size}, learning rate ${learning_rate}${penalty ? ", R1 and R2" : ""}`;
    at("steps").placeholder = length;
    at("batch-size").placeholder = batch_size;
    at("learning-rate").placeholder = learning_rate;
  }

  start() {
    const number = (id) => (at(id).value === "" ? null : Number(at(id).value));
    this.attempt(async () => this.showState(await this.connection.request("start", {
      recipe: at("recipe").value,
      dataset: at("dataset").value,
      steps: number("steps"),
      batch_size: number("batch-size"),
      learning_rate: number("learning-rate"),
      seed: number("train-seed"),
    })))();
  }

  showState({ state, problem, warnings, fid, run, recipe, dataset, images }) {
    if (BUSY.includes(this.state) && !BUSY.includes(state)) this.attempt(() => this.watched.list())();
    this.state = state;
    at("train-state").dataset.state = state;
    const what = recipe ? `${recipe} on ${images.toLocaleString("en")} images of ${dataset}: ` : "";
    at("train-state").textContent = `${what}${SAID[state]}${problem ? `: ${problem}` : ""}`;
    at("train-place").textContent = run ? `in ${run}; byhand train --resume ${run} continues it` : "";
    at("pause").textContent = state === "paused" ? "Go on" : "Pause";
    at("pause").disabled = !["running", "paused"].includes(state);
    at("step-once").disabled = state !== "paused";
    at("stop").disabled = !["running", "paused", "starting"].includes(state);
    at("start").disabled = BUSY.includes(state);
    at("fid").disabled = !["running", "paused"].includes(state) || !dataset?.startsWith("mnist") || fid === "measuring FID";
    at("fid-value").textContent = fid;
    at("train-warnings").hidden = !warnings.length;
    at("train-warnings").replaceChildren(...warnings.map((text) => {
      const item = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { href: "when_it_fails.html", target: "_blank", textContent: "When your GAN fails" });
      item.append(`${text}. `, link);
      return item;
    }));
  }

  showSamples({ step, last, epoch, seconds, arrays }) {
    const { images } = arrays;
    at("live").removeAttribute("data-empty");
    this.makeCharts();
    const [count, height, width] = images.shape;
    const columns = Math.ceil(Math.sqrt(count));
    const canvas = at("samples");
    const size = { width: columns * (width + 1), height: Math.ceil(count / columns) * (height + 1) };
    if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
    const tile = document.createElement("canvas");
    for (let k = 0; k < count; k++) {
      paintFrom(tile, images, k);
      canvas.getContext("2d").drawImage(tile, (k % columns) * (width + 1), Math.floor(k / columns) * (height + 1));
    }
    canvas.dataset.step = step;
    const of = last > step ? ` of ${last.toLocaleString("en")}` : "";
    at("samples-caption").textContent = `step ${step.toLocaleString("en")}${of}, epoch ${epoch.toFixed(1)}, ${seconds.toFixed(0)} s`;
  }

  showLosses(curves) {
    this.curves = curves;
    if (!this.losses) return;
    const column = (name) => Array.from(curves[name]);
    const steps = column("step");
    this.losses.set([steps, column("d_loss"), column("g_loss"), column("penalty")]);
    this.outputs.set([steps, column("d_real"), column("d_fake")]);
  }

  showLayers({ step, ...message }) {
    at("layers-step").textContent = step.toLocaleString("en");
    for (const name of ["G", "D"]) {
      const dead = new Map(message[`${name}_dead`].map((each) => [each.layer, each.dead]));
      const norms = new Map(message[name].map((each) => [each.layer, each]));
      const layers = [...new Set([...norms.keys(), ...dead.keys()])].sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
      const figure = (value) => (value === undefined ? "" : value === null ? "not finite" : value.toPrecision(3));
      at(`layers-${name}`).replaceChildren(...layers.map((layer) => {
        const row = document.createElement("tr");
        const head = Object.assign(document.createElement("th"), { scope: "row", textContent: layer });
        const { weights, gradients, updates } = norms.get(layer) ?? {};
        const share = dead.has(layer) ? `${(100 * dead.get(layer)).toFixed(0)} %` : "";
        const cells = [figure(weights), figure(gradients), figure(updates), share];
        row.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
        return row;
      }));
    }
  }
}
