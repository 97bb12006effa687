// The websocket: requests with answers, and messages that the server sends by itself.

const RETRY_MS = 1500;

// The header and the arrays of a message; see gan/lab/messages.py.
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const size = shape.reduce((a, b) => a * b, 1);
    const Type = dtype === "uint8" ? Uint8Array : Float32Array;
    arrays[name] = Object.assign(new Type(buffer, 4 + length + offset, size), { shape });
  }
  return { ...header, arrays };
}

export class Connection {
  constructor(onState) {
    this.onState = onState;
    this.waiting = new Map();
    this.listeners = new Map();
    this.nextId = 1;
    this.open();
  }

  open() {
    this.socket = new WebSocket(`ws://${location.host}/socket`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.onState("connected");
    this.socket.onmessage = ({ data }) => this.receive(decode(data));
    this.socket.onclose = () => {
      for (const { reject } of this.waiting.values()) reject(new Error("the connection was lost"));
      this.waiting.clear();
      this.onState("lost");
      setTimeout(() => this.open(), RETRY_MS);
    };
  }

  receive(message) {
    const { to, kind } = message;
    if (kind === "answer" || kind === "error") {
      const { resolve, reject } = this.waiting.get(to) ?? {};
      this.waiting.delete(to);
      if (kind === "answer") resolve?.(message);
      else reject?.(new Error(message.message));
    } else {
      this.listeners.get(kind)?.(message);
    }
  }

  on(kind, listener) {
    this.listeners.set(kind, listener);
  }

  request(kind, fields = {}) {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        reject(new Error("there is no connection to the server"));
        return;
      }
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ kind, id, ...fields }));
    });
  }
}

// Runs one call at a time; of the calls that come meanwhile, only the latest is made.
export function latestOnly(call) {
  let running = false;
  let next = null;
  return async function run(...words) {
    if (running) {
      next = words;
      return;
    }
    running = true;
    try {
      await call(...words);
    } finally {
      running = false;
      if (next) {
        const words = next;
        next = null;
        run(...words);
      }
    }
  };
}
