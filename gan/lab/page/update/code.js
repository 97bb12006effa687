// The source of a pass: lines that ran, lines of equations, and what the primitives do.

const at = (id) => document.getElementById(id);

function listing(lines, first, ran, lit) {
  const rows = document.createDocumentFragment();
  lines.forEach((text, k) => {
    const line = first + k;
    const row = document.createElement("span");
    row.className = ["line", ran && !ran.has(line) ? "idle" : "", lit?.has(line) ? "lit" : ""].join(" ").trim();
    const mark = document.createElement("span");
    mark.className = "line-number";
    mark.textContent = String(line).padStart(4);
    row.append(mark, `  ${text}\n`);
    rows.append(row);
  });
  return rows;
}

export function showSource(source) {
  at("source-card").hidden = !source;
  if (!source) return;
  const { file, first, lines, ran, lit, primitives } = source;
  // a line that only continues a statement, or holds a comment, counts as the line before it
  const all = new Set(ran);
  lines.forEach((text, k) => {
    if (k && all.has(first + k - 1) && /^\s*[)\]}]|^\s*$/.test(text)) all.add(first + k);
  });
  for (const line of lit) all.add(line);
  at("source-file").textContent = `${file}, line ${first}: what ran is bright, and the lines of the equations are lit.`;
  at("source").replaceChildren(listing(lines, first, all, new Set(lit)));
  at("primitives").replaceChildren(...Object.entries(primitives).map(([name, text]) => {
    const box = document.createElement("details");
    const summary = document.createElement("summary");
    const code = Object.assign(document.createElement("code"), { textContent: name });
    summary.append("What ", code, " computes: the reference in NumPy");
    const pre = Object.assign(document.createElement("pre"), { className: "source", tabIndex: 0, textContent: text });
    pre.setAttribute("aria-label", `Source of ${name}`);
    box.append(summary, pre);
    return box;
  }));
}
