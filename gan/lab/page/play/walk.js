// The walk between picked images, as a film.

import { paintFrom, save } from "../pictures.js";
import { latestOnly } from "../connection.js";

const FRAME_MS = 60;
const MOST = 8;
const at = (id) => document.getElementById(id);

export class Walk {
  constructor(view, attempt) {
    this.view = view;
    this.list = []; // { z, label, canvas }
    this.images = null;
    this.playing = false;
    this.frame = 0;
    this.film = latestOnly(attempt(() => this.filmNow()));
    at("add").addEventListener("click", () => this.add());
    at("play-walk").addEventListener("click", () => this.setPlaying(!this.playing));
    at("clear-walk").addEventListener("click", () => this.clear());
    at("walk-steps").addEventListener("input", () => {
      at("steps-value").value = at("walk-steps").value;
      this.changed();
    });
    at("save-walk").addEventListener("click", attempt(async () => {
      const { arrays } = await view.ask("gif", this.asked);
      save(arrays.file, "walk.gif", "image/gif");
    }));
  }

  get asked() {
    return { ...this.view.points(this.list), steps: Number(at("walk-steps").value) };
  }

  add() {
    const { point } = this.view.picked;
    if (!point || this.list.length >= MOST) return;
    const canvas = document.createElement("canvas");
    canvas.className = "pixels";
    const shown = at("picked");
    Object.assign(canvas, { width: shown.width, height: shown.height });
    canvas.getContext("2d").drawImage(shown, 0, 0);
    canvas.setAttribute("aria-hidden", "true");
    this.list.push({ z: Float32Array.from(point.z), label: point.label, canvas });
    this.show();
    if (this.list.length > 1) this.setPlaying(true);
  }

  clear() {
    this.list = [];
    this.show();
  }

  show() {
    at("points").replaceChildren(...this.list.map((each, k) => {
      const item = document.createElement("li");
      const remove = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "remove" });
      remove.setAttribute("aria-label", `Remove image ${k + 1} of the walk`);
      remove.addEventListener("click", () => {
        this.list.splice(k, 1);
        this.show();
      });
      item.append(each.canvas, remove);
      return item;
    }));
    at("add").disabled = this.list.length >= MOST;
    for (const id of ["play-walk", "save-walk"]) at(id).disabled = this.list.length < 2;
    at("clear-walk").disabled = !this.list.length;
    if (this.list.length < 2) {
      this.images = null;
      this.setPlaying(false);
    }
    this.changed();
  }

  changed() {
    if (this.list.length > 1) this.film();
  }

  async filmNow() {
    if (this.list.length < 2) return;
    this.images = (await this.view.ask("walk", this.asked)).arrays.images;
  }

  setPlaying(playing) {
    this.playing = playing;
    at("play-walk").textContent = playing ? "Pause" : "Play";
    clearInterval(this.timer);
    if (playing) this.timer = setInterval(() => this.next(), FRAME_MS);
  }

  next() {
    if (!this.images || document.hidden) return;
    this.frame = (this.frame + 1) % this.images.shape[0];
    paintFrom(at("film"), this.images, this.frame);
    at("film").dataset.frame = this.frame;
  }
}
