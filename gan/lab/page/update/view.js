// The view "One update": a training step, opened.

import { latestOnly } from "../connection.js";
import { Arrays } from "./arrays.js";
import { showSource } from "./code.js";
import { formula } from "./formula.js";
import { Alone, Certain, Change } from "./whatif.js";

const at = (id) => document.getElementById(id);
const WAYS = { forward: "→", backward: "←", loss: "●", update: "↻" };
const MARKS = {
  frozen: "frozen: no gradients of W and b are computed",
  "no ∂L/∂x": "the first layer: nobody needs ∂L/∂x",
  adds: "adds to the gradients that are there",
  mask: "training: a mask drawn for this pass",
  "batch statistics": "training: mean and variance of this batch",
};

export class UpdateView {
  constructor(connection, attempt) {
    Object.assign(this, { connection, attempt, walk: null, index: 0 });
    this.arrays = new Arrays(at("station-arrays"), attempt, (...place) => this.change.choose(...place, this.ask));
    this.change = new Change(attempt);
    this.certain = new Certain(attempt);
    this.alone = new Alone(attempt);
    this.look = latestOnly(attempt(() => this.load()));
    connection.on("update", (message) => this.showWalk(message));
    at("update-form").addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => this.open())();
    });
    at("update-source").addEventListener("change", () => this.showForm());
    at("station-back").addEventListener("click", () => this.go(this.index - 1));
    at("station-next").addEventListener("click", () => this.go(this.index + 1));
    at("stations").addEventListener("keydown", (event) => this.move(event));
    at("sample").addEventListener("input", () => {
      at("sample-value").textContent = at("sample").value;
      this.look();
    });
  }

  connected() {
    this.attempt(() => this.list())();
  }

  shown() {
    if (this.listed) this.attempt(() => this.list())();
  }

  async list() {
    const { session, runs, recipes, datasets } = await this.connection.request("update sources");
    const before = at("update-source").value;
    const group = (label, options) => {
      const element = document.createElement("optgroup");
      element.label = label;
      element.append(...options);
      return element;
    };
    const own = session.step === null ? [] : [new Option(`${session.recipe} at step ${session.step.toLocaleString("en")}, ${session.state}`, "session")];
    if (own.length) own[0].disabled = session.state !== "paused";
    at("update-source").replaceChildren(
      ...(own.length ? [group("This lab’s run", own)] : []),
      group("A recipe", recipes.map((name) => new Option(name, `recipe:${name}`))),
      ...(runs.length ? [group("A run, at its checkpoint", runs.map((name) => new Option(name, `run:${name}`)))] : []),
    );
    const values = [...at("update-source").options].filter((option) => !option.disabled).map((option) => option.value);
    at("update-source").value = values.includes(before) ? before : values.includes("session") ? "session" : values[0];
    if (!this.listed) {
      at("update-dataset").replaceChildren(...datasets.map((name) => new Option(name, name)));
      at("update-dataset").value = datasets.includes("mnist-sample") ? "mnist-sample" : datasets[0];
    }
    this.listed = true;
    this.showForm();
  }

  showForm() {
    const isRecipe = at("update-source").value.startsWith("recipe:");
    for (const element of document.querySelectorAll(".of-recipe")) element.hidden = !isRecipe;
  }

  async open() {
    const [source, name] = at("update-source").value.split(/:(.*)/s);
    const whole = (id) => Number(at(id).value);
    at("update-open").disabled = true;
    at("update-about").textContent = "Doing the step and copying its arrays …";
    try {
      await this.connection.request("update open", {
        source,
        [source]: name,
        dataset: at("update-dataset").value,
        batch_size: whole("update-batch"),
        steps: whole("update-steps"),
        seed: whole("update-seed"),
      });
    } catch (error) {
      at("update-about").textContent = "";
      throw error;
    } finally {
      at("update-open").disabled = false;
    }
  }

  showWalk(walk) {
    this.walk = walk;
    this.stations = walk.chapters.flatMap((chapter) => chapter.stations.map((station) => ({ ...station, chapter })));
    const { log } = walk;
    const figure = (value) => (value === null ? "not finite" : value.toPrecision(4));
    const loss = log.d_loss_real === null || log.d_loss_fake === null ? null : log.d_loss_real + log.d_loss_fake;
    at("update-about").textContent = `Step ${walk.step.toLocaleString("en")} of ${walk.title}: batch of ${walk.batch}, `
      + `D’s loss ${figure(loss)}, G’s loss ${figure(log.g_loss)}${walk.is_penalized ? `, penalty ${figure(log.penalty)}` : ""}. `
      + (walk.every > 1 && !walk.is_penalized ? `The penalty is due in one of ${walk.every} steps, and not in this one: next in step ${Math.ceil((walk.step - 1) / walk.every) * walk.every + 1}. ` : "")
      + "The step was taken back, so training goes on as if nobody had looked.";
    at("update-walk").hidden = false;
    at("update-walk").dataset.walk = walk.walk;
    this.ask = (kind, fields = {}) => this.connection.request(kind, { walk: walk.walk, index: this.index, sample: Number(at("sample").value), ...fields });
    at("sample").value = 0;
    at("sample-value").textContent = "0";
    this.showChapters();
    this.go(0, false);
  }

  showChapters() {
    const groups = []; // neighbours of one stage
    for (const chapter of this.walk.chapters) {
      if (groups.at(-1)?.[0] !== chapter.stage) groups.push([chapter.stage, []]);
      groups.at(-1)[1].push(chapter);
    }
    at("update-chapters").replaceChildren(...groups.map(([stage, chapters]) => {
      const group = document.createElement("div");
      group.className = "stage";
      const head = Object.assign(document.createElement("span"), { className: "stage-name", textContent: stage.replace("'", "’") || (chapters[0].way === "update" ? "after" : "data") });
      const list = document.createElement("ol");
      list.append(...chapters.map((chapter) => {
        const button = Object.assign(document.createElement("button"), { type: "button", className: `chapter ${chapter.way}` });
        const arrow = Object.assign(document.createElement("span"), { textContent: WAYS[chapter.way] });
        arrow.setAttribute("aria-hidden", "true");
        button.append(arrow, ` ${chapter.title}`);
        button.addEventListener("click", () => this.go(chapter.stations[0].index));
        const item = document.createElement("li");
        item.append(button);
        chapter.button = button;
        return item;
      }));
      group.append(head, list);
      return group;
    }));
  }

  // Go to a station.
  go(index, focus = true) {
    this.index = Math.min(Math.max(index, 0), this.stations.length - 1);
    const { chapter } = this.stations[this.index];
    for (const each of this.walk.chapters) {
      if (each === chapter) each.button.setAttribute("aria-current", "step");
      else each.button.removeAttribute("aria-current");
    }
    at("chapter-title").textContent = chapter.title;
    at("chapter-text").textContent = chapter.text;
    at("stations").replaceChildren(...chapter.stations.map((station) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "station" });
      const isHere = station.index === this.index;
      if (isHere) button.setAttribute("aria-current", "step");
      button.tabIndex = isHere ? 0 : -1;
      button.append(Object.assign(document.createElement("span"), { textContent: [station.title, station.images].filter(Boolean).join(", ") }));
      const shape = station.from && station.to ? `(${station.from.join(", ")}) → (${station.to.join(", ")})` : "";
      button.append(Object.assign(document.createElement("small"), { textContent: shape }));
      button.addEventListener("click", () => this.go(station.index));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
    at("stations").dataset.index = this.index;
    at("station-back").disabled = this.index === 0;
    at("station-next").disabled = this.index === this.stations.length - 1;
    this.change.hide();
    this.focusHere = focus;
    this.look();
  }

  move(event) {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.go(this.index + by, false);
    at("stations").querySelector("[aria-current]")?.focus();
  }

  async load() {
    const { index, walk } = this;
    const answer = await this.ask("update look");
    if (index !== this.index || walk !== this.walk) return;
    const station = this.stations[index];
    at("station-title").textContent = [station.title, station.images && `on ${station.images} images`].filter(Boolean).join(" ");
    at("station-title").dataset.index = index;
    const way = { forward: "forward", backward: "backward", double_backward: "backward of backward", step: "step" }[station.what];
    at("station-layer").textContent = [answer.layer, way].filter(Boolean).join(" · ");
    at("station-marks").replaceChildren(...station.marks.map((mark) => Object.assign(document.createElement("li"), { textContent: MARKS[mark] })));
    this.showEquations(answer, station);
    const samples = Math.max(...answer.items.map((item) => item.samples), 0);
    at("station-sample").hidden = samples < 2;
    at("sample").max = Math.max(samples - 1, 0);
    this.arrays.show(answer, station, walk.image_range, this.ask);
    showSource(answer.source);
    this.certain.show(answer, this.ask);
    this.alone.show(station, this.ask);
  }

  showEquations({ tex, source }, { of }) {
    const equations = [...tex.map((each) => ({ tex: each, ran: true })), ...(source?.equations ?? [])];
    at("station-equations").replaceChildren(...equations.map(({ tex: each, note, ran }) => {
      const row = document.createElement("div");
      row.className = ran ? "equation" : "equation idle";
      row.append(formula(of === "D" ? each.replaceAll("\\partial L", "\\partial D") : each, true));
      const text = ran ? note : "not computed here";
      if (text) row.append(Object.assign(document.createElement("span"), { className: "hint", textContent: text }));
      return row;
    }));
    for (const row of at("station-equations").children) {
      if (row.scrollWidth <= row.clientWidth) continue; // else it scrolls, also by keyboard
      row.tabIndex = 0;
      row.setAttribute("role", "group");
      row.setAttribute("aria-label", "Equation");
    }
  }
}
