// The list of runs, and the one that is watched: what its files say, whoever trains it.

import { Chart } from "../charts.js";

const EVERY_MS = 2000;
const at = (id) => document.getElementById(id);

const ago = (seconds) => {
  if (seconds === null) return "nothing written yet";
  if (seconds < 90) return `written ${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `written ${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `written ${Math.round(seconds / 3600)} h ago`;
  return `written ${Math.round(seconds / 86400)} days ago`;
};

export class Watched {
  constructor(connection, attempt) {
    Object.assign(this, { connection, attempt, run: null });
  }

  async list() {
    const { runs } = await this.connection.request("runs");
    at("runs").replaceChildren(...runs.map(({ name, ago: seconds }) => {
      const item = document.createElement("li");
      const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: name });
      button.append(Object.assign(document.createElement("small"), { textContent: ago(seconds) }));
      button.setAttribute("aria-pressed", String(name === this.run));
      button.addEventListener("click", this.attempt(() => this.watch(name === this.run ? null : name)));
      item.append(button);
      return item;
    }));
    if (!runs.length) at("runs").append(Object.assign(document.createElement("li"), { className: "hint", textContent: "none yet" }));
  }

  async watch(name) {
    this.run = name;
    clearInterval(this.timer);
    at("watched").hidden = !name;
    await this.list();
    if (!name) return;
    this.losses ??= new Chart(at("watched-losses"), ["D", "G", "penalty"]);
    this.outputs ??= new Chart(at("watched-outputs"), ["on real", "on generated"], { range: [0, 1] });
    await this.look();
    at("watched").scrollIntoView({ block: "nearest" });
    this.timer = setInterval(() => {
      if (!document.hidden && !at("view-train").hidden) this.attempt(() => this.look())();
    }, EVERY_MS);
  }

  async look() {
    const name = this.run;
    const { config, ago: seconds, arrays } = await this.connection.request("watch", { run: name });
    if (name !== this.run) return;
    at("watched-title").textContent = name;
    const settings = Object.entries(config).map(([key, value]) => `${key.replace("_", " ")} ${value}`);
    at("watched-about").textContent = [ago(seconds), ...settings].join(", ");
    if (arrays.picture.length) {
      URL.revokeObjectURL(at("watched-picture").src);
      at("watched-picture").src = URL.createObjectURL(new Blob([arrays.picture], { type: "image/png" }));
    }
    if (!arrays.step) return;
    const column = (key) => Array.from(arrays[key] ?? arrays.step.map(() => NaN), (value) => (Number.isFinite(value) ? value : null));
    this.losses.set([column("step"), column("d_loss"), column("g_loss"), column("penalty")]);
    this.outputs.set([column("step"), column("d_real"), column("d_fake")]);
  }
}
