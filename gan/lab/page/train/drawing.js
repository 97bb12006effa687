// The pad on which one draws points to train on, in [-1, 1] x [-1, 1].

const at = (id) => document.getElementById(id);
const MOST = 4000;
const SPREAD = 0.03;
const AT_ONCE = 5;
const REACH = 1.2; // the pad shows a little more than [-1, 1]
const STEP = 0.08;

const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

export class Drawing {
  constructor() {
    Object.assign(this, { points: [], pen: [0, 0] });
    const pad = at("draw-pad");
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      this.sprayAt(event);
    });
    pad.addEventListener("pointermove", (event) => {
      if (event.buttons) this.sprayAt(event);
    });
    pad.addEventListener("keydown", (event) => {
      const ways = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
      if (event.key === " ") this.spray(...this.pen);
      else if (ways[event.key]) this.pen = this.pen.map((value, k) => Math.max(-1, Math.min(1, value + ways[event.key][k])));
      else return;
      event.preventDefault();
      this.draw();
    });
    pad.addEventListener("focus", () => this.draw());
    pad.addEventListener("blur", () => this.draw());
    at("clear-points").addEventListener("click", () => {
      this.points = [];
      this.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.draw();
  }

  sprayAt(event) {
    const box = at("draw-pad").getBoundingClientRect();
    const x = (2 * (event.clientX - box.left)) / box.width - 1;
    const y = 1 - (2 * (event.clientY - box.top)) / box.height;
    this.spray(REACH * x, REACH * y);
    this.draw();
  }

  spray(x, y) {
    for (let k = 0; k < AT_ONCE && this.points.length < MOST; k++) {
      this.points.push([x + SPREAD * normal(), y + SPREAD * normal()].map((value) => Math.max(-REACH, Math.min(REACH, value))));
    }
  }

  draw() {
    const pad = at("draw-pad");
    const context = pad.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const place = ([x, y]) => [((x / REACH + 1) * pad.width) / 2, ((1 - y / REACH) * pad.height) / 2];
    context.fillStyle = style.getPropertyValue("--card");
    context.fillRect(0, 0, pad.width, pad.height);
    context.fillStyle = style.getPropertyValue("--real");
    for (const point of this.points) {
      const [x, y] = place(point);
      context.fillRect(x - 1, y - 1, 2.5, 2.5);
    }
    if (document.activeElement === pad) {
      const [x, y] = place(this.pen);
      context.strokeStyle = style.getPropertyValue("--accent");
      context.strokeRect(x - 5, y - 5, 10, 10);
    }
    at("points-drawn").textContent = `${this.points.length.toLocaleString("en")} points`;
  }
}
