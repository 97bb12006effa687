// "Find this": an image drawn or dropped, and the search for its noise.

import { paintOne } from "../pictures.js";
import { Chart } from "../charts.js";

const at = (id) => document.getElementById(id);
const RADIUS = 0.045; // of the pen, as a share of the width

export class Find {
  constructor(view, attempt) {
    this.view = view;
    this.canvas = at("target");
    this.pen = null; // where the keyboard's pen is
    this.isSearching = false;
    this.chart = null;
    view.connection.on("found", (message) => this.show(message));
    at("find").addEventListener("click", attempt(() => this.toggle()));
    at("clear-target").addEventListener("click", () => this.clear());
    at("take-found").addEventListener("click", () => view.picked.set(this.found));
    at("target-file").addEventListener("change", attempt(async (event) => {
      await this.use(event.target.files[0]);
      event.target.value = "";
    }));
    this.listenToPointer();
    this.listenToKeys();
    this.listenToDrops(attempt);
  }

  opened() {
    const [, height, width, channels = 1] = this.view.about.arrays.classes.shape;
    if (this.isSearching) this.view.connection.request("stop finding");
    Object.assign(this, { channels, found: null });
    for (const id of ["target", "found"]) Object.assign(at(id), { width, height });
    at("take-found").disabled = true;
    at("found-caption").textContent = "found";
    this.setSearching(false);
    this.clear();
  }

  clear() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.pen = { x: this.canvas.width / 2, y: this.canvas.height / 2 };
  }

  stroke(from, to) {
    const context = this.canvas.getContext("2d");
    context.strokeStyle = "#fff";
    context.lineCap = "round";
    context.lineWidth = Math.max(1.6, 2 * RADIUS * this.canvas.width);
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
  }

  listenToPointer() {
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return {
        x: (event.clientX - box.left) / box.width * this.canvas.width,
        y: (event.clientY - box.top) / box.height * this.canvas.height,
      };
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.pen = place(event);
      this.stroke(this.pen, this.pen);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      const to = place(event);
      this.stroke(this.pen, to);
      this.pen = to;
    });
  }

  listenToKeys() {
    let down = false;
    this.canvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === " ") {
        event.preventDefault();
        down = true;
        this.stroke(this.pen, this.pen);
      } else if (by) {
        event.preventDefault();
        const to = { x: this.pen.x + by[0], y: this.pen.y + by[1] };
        if (down) this.stroke(this.pen, to);
        this.pen = to;
      }
    });
    this.canvas.addEventListener("keyup", (event) => { if (event.key === " ") down = false; });
  }

  listenToDrops(attempt) {
    const stop = (event) => {
      event.preventDefault();
      this.canvas.classList.toggle("over", event.type === "dragover");
    };
    for (const kind of ["dragover", "dragleave"]) this.canvas.addEventListener(kind, stop);
    this.canvas.addEventListener("drop", attempt((event) => {
      stop(event);
      return this.use(event.dataTransfer.files[0]);
    }));
  }

  // Take a picture file: its middle square, scaled; on white, turned dark, as digits are.
  async use(file) {
    if (!file) return;
    const picture = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name}: expected a picture that the browser can read; choose a PNG or JPEG`);
    });
    const { width, height } = this.canvas;
    const side = Math.min(picture.width, picture.height);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, width, height);
    if (this.view.about.digits && this.brightness() > 127) {
      context.globalCompositeOperation = "difference";
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
      context.globalCompositeOperation = "source-over";
    }
  }

  brightness() {
    const pixels = this.pixels().flat(2);
    return pixels.reduce((a, b) => a + b, 0) / pixels.length;
  }

  // The drawing as rows of numbers from 0 to 255, or of colours.
  pixels() {
    const { width, height } = this.canvas;
    const { data } = this.canvas.getContext("2d").getImageData(0, 0, width, height);
    const colours = (k) => [data[4 * k], data[4 * k + 1], data[4 * k + 2]];
    const grey = (k) => Math.round(0.299 * data[4 * k] + 0.587 * data[4 * k + 1] + 0.114 * data[4 * k + 2]);
    const value = this.channels === 3 ? colours : grey;
    return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => value(y * width + x)));
  }

  async toggle() {
    if (this.isSearching) {
      await this.view.connection.request("stop finding");
      return;
    }
    this.setSearching(true);
    try {
      await this.view.ask("find", { image: this.pixels() });
    } catch (error) {
      this.setSearching(false);
      throw error;
    }
  }

  setSearching(searching) {
    this.isSearching = searching;
    at("find").textContent = searching ? "Stop" : "Find";
  }

  show({ step, loss, label, done, error, arrays }) {
    if (error) {
      this.setSearching(false);
      at("found-caption").textContent = error;
      return;
    }
    paintOne(at("found"), arrays.image);
    this.chart ??= new Chart(at("find-chart"), ["loss"], { logarithmic: true });
    this.chart.set([Array.from(arrays.losses, (_, k) => k + 1), Array.from(arrays.losses)]);
    at("found-caption").textContent = `step ${step}, loss ${loss.toPrecision(3)}`;
    this.found = { z: arrays.z.slice(), label };
    if (done) {
      at("take-found").disabled = false;
      this.setSearching(false);
    }
  }
}
