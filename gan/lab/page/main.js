// The page: its views, the connection, and problems.

import { Connection } from "./connection.js";
import { PlayView } from "./play/view.js";
import { TrainView } from "./train/view.js";
import { UpdateView } from "./update/view.js";

const at = (id) => document.getElementById(id);

function showProblem(error) {
  at("problem").textContent = error ? error.message : "";
  at("problem").hidden = !error;
}

// Call an async function and show what goes wrong.
const attempt = (call) => async (...words) => {
  try {
    showProblem(null);
    return await call(...words);
  } catch (error) {
    showProblem(error);
  }
};

const connection = new Connection((state) => {
  at("connection").textContent = state === "lost" ? "no connection to byhand lab; trying again" : state;
  at("connection").classList.toggle("lost", state === "lost");
  if (state === "connected") for (const view of Object.values(views)) view.connected();
});

const views = {
  play: new PlayView(connection, attempt),
  train: new TrainView(connection, attempt),
  update: new UpdateView(connection, attempt),
};
const titles = { play: "Play", train: "Train", update: "One update" };

function show() {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "play";
  at("views").replaceChildren(...Object.entries(titles).map(([key, title]) => {
    const link = Object.assign(document.createElement("a"), { href: `#${key}`, textContent: title });
    if (key === name) link.setAttribute("aria-current", "page");
    return link;
  }));
  for (const [key, view] of Object.entries(views)) {
    at(`view-${key}`).hidden = key !== name;
    if (key === name) view.shown?.();
  }
  document.title = `${titles[name]} – byhand lab`;
}

addEventListener("hashchange", show);
show();
