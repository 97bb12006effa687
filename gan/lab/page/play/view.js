// The view "Play": weights, drawn images, classes; it tells the other parts what is picked.

import { paintFrom, pictureOf, save } from "../pictures.js";
import { latestOnly } from "../connection.js";
import { Picked } from "./picked.js";
import { Walk } from "./walk.js";
import { Find } from "./find.js";

const COUNT = 64;
const at = (id) => document.getElementById(id);

export class PlayView {
  constructor(connection, attempt) {
    this.connection = connection;
    this.about = null; // of the open weights
    this.drawn = null; // { z, labels }
    this.label = null; // the chosen class, or null for any
    this.picked = new Picked(this, attempt);
    this.walk = new Walk(this, attempt);
    this.find = new Find(this, attempt);
    at("weights").addEventListener("change", attempt(() => this.open()));
    at("draw").addEventListener("click", attempt(() => {
      if (this.drawn) at("seed").value = Math.floor(Math.random() * 1e6);
      return this.draw();
    }));
    at("seed").addEventListener("change", attempt(() => this.draw()));
    const redraw = latestOnly(attempt(() => this.redraw()));
    at("truncation").addEventListener("input", () => {
      at("truncation-value").value = this.truncation.toFixed(2);
      redraw();
      this.picked.changed();
      this.picked.drawMap();
      this.walk.changed();
    });
    at("save-grid").addEventListener("click", attempt(() => this.saveGrid()));
    at("grid").addEventListener("keydown", (event) => moveFocus(event, at("grid"), 8));
    at("classes").addEventListener("keydown", (event) => {
      const columns = getComputedStyle(at("classes")).gridTemplateColumns.split(" ").length;
      moveFocus(event, at("classes"), columns);
    });
    this.attempt = attempt;
  }

  get truncation() {
    return Number(at("truncation").value);
  }

  get weights() {
    return at("weights").value;
  }

  // Ask the server about the open weights.
  ask(kind, fields) {
    return this.connection.request(kind, { weights: this.weights, ...fields });
  }

  // Points as the server takes them: the noise is truncated here.
  points(list) {
    const k = this.truncation;
    return { z: list.map(({ z }) => Array.from(z, (value) => k * value)), labels: list.map(({ label }) => label) };
  }

  connected() {
    this.attempt(async () => {
      const { weights } = await this.connection.request("weights");
      const before = at("weights").value;
      at("weights").replaceChildren(...weights.map(({ name, title }) => new Option(title, name)));
      if (weights.some(({ name }) => name === before)) at("weights").value = before;
      if (!this.about) await this.open();
    })();
  }

  shown() {
    if (this.about) this.connected();
  }

  async open() {
    at("about").textContent = "opening; the first time on a machine, kernels are compiled for half a minute";
    at("view-play").setAttribute("aria-busy", "true");
    try {
      this.about = await this.ask("open");
      this.label = null;
      const { recipe, steps, dataset, latent, distribution } = this.about;
      const trained = [recipe && `recipe ${recipe}`, dataset && `trained on ${dataset}`, steps && `${steps.toLocaleString("en")} steps`];
      at("about").textContent = [...trained, `${latent} numbers of ${distribution} noise`].filter(Boolean).join(", ");
      this.showClasses();
      this.walk.clear();
      this.picked.opened();
      this.find.opened();
      await this.draw();
    } finally {
      at("view-play").removeAttribute("aria-busy");
    }
  }

  async draw() {
    const fields = { count: COUNT, seed: Math.max(0, Math.floor(Number(at("seed").value)) || 0), label: this.label, truncation: this.truncation };
    const { labels, arrays } = await this.ask("draw", fields);
    const size = this.about.latent;
    this.drawn = labels.map((label, k) => ({ z: arrays.z.slice(k * size, (k + 1) * size), label }));
    this.showGrid(arrays.images);
    this.pick(0);
  }

  async redraw() {
    if (!this.drawn) return;
    const { arrays } = await this.ask("images", this.points(this.drawn));
    [...at("grid").children].forEach((button, k) => paintFrom(button.firstChild, arrays.images, k));
  }

  showGrid(images) {
    at("grid").replaceChildren(...this.drawn.map(({ label }, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(pictureOf(images, k));
      button.setAttribute("aria-label", `Image ${k + 1}${this.about.classes ? `, ${this.nameOf(label)}` : ""}`);
      button.setAttribute("aria-pressed", "false");
      button.tabIndex = k ? -1 : 0;
      button.addEventListener("click", () => this.pick(k));
      return button;
    }));
  }

  pick(k) {
    [...at("grid").children].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === k));
      button.tabIndex = i === k ? 0 : -1;
    });
    this.picked.set(this.drawn[k]);
  }

  nameOf(label) {
    const { labelled, class_names: names, classes, clusters, per_image: perImage } = this.about;
    if (labelled) {
      const n = clusters / classes; // of each class
      const name = `class ${names[Math.floor(label / n)]}`;
      return n > 1 ? `${name}, cluster ${label % n}` : name;
    }
    const parts = Array.from({ length: perImage }, (_, c) => Math.floor(label / clusters ** c) % clusters);
    return `cluster${perImage > 1 ? "s" : ""} ${parts.join(", ")}`;
  }

  showClasses() {
    const { classes, labelled, pictured, class_names: names, clusters, per_image: perImage, numbers, arrays } = this.about;
    at("classes-card").hidden = !classes;
    if (!classes) return;
    at("classes-title").textContent = labelled ? "Class" : "Cluster";
    const given = perImage > 1
      ? `The generator was given ${clusters} clusters of the training digits to draw, one for each channel; each picture shows the same in all.`
      : `The generator was given one of ${clusters} clusters of the training images to draw.`;
    const divided = `Each class has ${clusters / classes} clusters; its picture shows the most frequent one.`;
    const first = labelled ? (clusters > classes ? `${divided} ` : "") : `${given} `;
    at("classes-hint").textContent = `${first}Each picture is drawn from the middle of the noise.`;
    const any = document.createElement("button");
    any.className = "any";
    any.textContent = "any";
    const buttons = Array.from({ length: pictured }, (_, k) => {
      const button = document.createElement("button");
      button.append(pictureOf(arrays.classes, k));
      if (labelled) button.append(names[k]);
      button.setAttribute("aria-label", labelled ? `class ${names[k]}` : this.nameOf(numbers[k]));
      return button;
    });
    at("classes").replaceChildren(any, ...buttons);
    [any, ...buttons].forEach((button, k) => {
      button.type = "button";
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", String(k === 0));
      button.tabIndex = k ? -1 : 0;
      button.addEventListener("click", this.attempt(async () => {
        for (const other of at("classes").children) {
          other.setAttribute("aria-checked", String(other === button));
          other.tabIndex = other === button ? 0 : -1;
        }
        const chosen = labelled ? k - 1 : numbers[k - 1];
        this.label = k ? chosen : null;
        await this.draw();
      }));
    });
  }

  async saveGrid() {
    const { arrays } = await this.ask("png", this.points(this.drawn));
    save(arrays.file, "images.png", "image/png");
  }
}

// Arrow keys, Home and End move the focus between buttons in rows.
export function moveFocus(event, group, columns) {
  const buttons = [...group.children];
  const now = buttons.indexOf(document.activeElement);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -now, End: buttons.length - 1 - now };
  if (now < 0 || !(event.key in steps)) return;
  event.preventDefault();
  buttons[Math.min(Math.max(now + steps[event.key], 0), buttons.length - 1)].focus();
}
