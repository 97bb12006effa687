// The view "Train": this lab's run and its controls.

import { Chart } from "../charts.js";
import { paintFrom } from "../pictures.js";
import { Drawing } from "./drawing.js";
import { Plane } from "./plane.js";
import { Watched } from "./watched.js";

const at = (id) => document.getElementById(id);
const DRAW = "draw";
const number = (id) => (at(id).value === "" ? null : Number(at(id).value));
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
    this.plane = new Plane(connection, attempt);
    this.drawing = new Drawing();
    connection.on("training", (message) => this.showState(message));
    connection.on("samples", (message) => this.showSamples(message));
    connection.on("losses", (message) => this.showLosses(message.arrays));
    connection.on("layers", (message) => this.showLayers(message));
    const press = (id, kind, fields = () => ({})) => at(id).addEventListener("click", attempt(async () => {
      this.showState(await connection.request(kind(), fields()));
    }));
    press("pause", () => (this.state === "paused" ? "go on" : "pause"));
    press("step-once", () => "step");
    press("stop", () => "stop");
    press("fid", () => "fid");
    press("resume", () => "resume", () => ({ run: this.watched.run, steps: number("resume-steps") }));
    at("recipe").addEventListener("change", () => {
      this.matchData();
      this.showRecipe();
    });
    at("dataset").addEventListener("change", () => {
      this.matchRecipe();
      this.showRecipe();
    });
    at("start-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
  }

  connected() {
    this.version = -1;
    this.attempt(async () => {
      const choices = await this.connection.request("choices");
      const isFirst = !this.recipes;
      Object.assign(this, { recipes: choices.recipes, objectives: choices.objectives });
      if (isFirst) {
        at("recipe").replaceChildren(...choices.recipes.map(({ name }) => new Option(name, name)));
        at("objective").replaceChildren(new Option("the recipe’s", ""), ...choices.objectives.map((name) => new Option(name, name)));
        at("recipe").value = choices.recipe;
      }
      this.fillData(choices);
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

  // The data sets, the user's own data, and what is drawn here; in groups of images and points.
  fillData({ datasets, data }) {
    this.choices = new Map([
      ...datasets.map((each) => [each.name, { ...each, fields: { dataset: each.name } }]),
      ...data.map((each) => [`own/${each.name}`, { ...each, fields: { data: each.name } }]),
      [DRAW, { name: "points you draw", points: true }],
    ]);
    const chosen = at("dataset").value;
    const groups = [["Images", false], ["Points of a plane", true]].map(([label, points]) => {
      const group = Object.assign(document.createElement("optgroup"), { label });
      for (const [value, each] of this.choices) if (each.points === points) group.append(new Option(each.name, value));
      return group;
    });
    at("dataset").replaceChildren(...groups);
    if (this.choices.has(chosen)) at("dataset").value = chosen;
  }

  get recipe() {
    return this.recipes.find(({ name }) => name === at("recipe").value);
  }

  get chosenData() {
    return this.choices.get(at("dataset").value);
  }

  // Choosing points chooses their recipe, and the other way round.
  matchRecipe() {
    if (this.chosenData.points !== this.recipe.points) {
      at("recipe").value = this.recipes.find(({ points }) => points === this.chosenData.points).name;
    }
  }

  matchData() {
    if (this.chosenData.points !== this.recipe.points) {
      const [value] = [...this.choices].find(([, { points }]) => points === this.recipe.points);
      at("dataset").value = value;
    }
  }

  showRecipe() {
    at("drawing").hidden = at("dataset").value !== DRAW;
    at("dataset-hint").hidden = this.chosenData.points || !this.chosenData.fields.dataset;
    const { origin, length, batch_size, learning_rate, penalty, weight } = this.recipe;
    at("recipe-hint").textContent = `${origin}; ${length}; batches of ${batch_size}, learning rate ${learning_rate}${penalty ? ", R1 and R2" : ""}`;
    at("steps").placeholder = length;
    at("batch-size").placeholder = batch_size;
    at("learning-rate").placeholder = learning_rate;
    at("penalty").placeholder = weight ?? "none";
  }

  start() {
    this.attempt(async () => this.showState(await this.connection.request("start", {
      recipe: at("recipe").value,
      ...(this.chosenData.fields ?? { data: await this.keepDrawing() }),
      objective: at("objective").value || null,
      penalty: number("penalty"),
      n_critic: number("n-critic"),
      g_learning_rate: this.chosenData.points && at("start-held").checked ? 1e-12 : null,
      steps: number("steps"),
      batch_size: number("batch-size"),
      learning_rate: number("learning-rate"),
      seed: number("train-seed"),
    })))();
  }

  // The name of a file with the points that were drawn.
  async keepDrawing() {
    const { data } = await this.connection.request("draw points", { points: this.drawing.points });
    this.fillData(await this.connection.request("choices"));
    return data;
  }

  showState(about) {
    if (about.version < this.version) return; // an answer that was overtaken
    this.version = about.version;
    const { state, problem, warnings, fid, run, recipe, dataset, images, points } = about;
    if (this.recipes) this.plane.showState(about, this.recipes, this.objectives);
    if (BUSY.includes(this.state) && !BUSY.includes(state)) this.attempt(() => this.watched.list())();
    this.state = state;
    at("train-state").dataset.state = state;
    const what = recipe ? `${recipe} on ${images.toLocaleString("en")} ${points ? "points" : "images"} of ${dataset}: ` : "";
    at("train-state").textContent = `${what}${SAID[state]}${problem ? `: ${problem}` : ""}`;
    at("train-place").textContent = run ? `in ${run}; byhand train --resume ${run} continues it` : "";
    at("pause").textContent = state === "paused" ? "Go on" : "Pause";
    at("pause").disabled = !["running", "paused"].includes(state);
    at("step-once").disabled = state !== "paused";
    at("stop").disabled = !["running", "paused", "starting"].includes(state);
    at("start").disabled = at("resume").disabled = BUSY.includes(state);
    at("fid").disabled = !["running", "paused"].includes(state) || points || fid === "measuring FID";
    at("fid-value").textContent = fid;
    at("train-warned").hidden = !warnings.length;
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
