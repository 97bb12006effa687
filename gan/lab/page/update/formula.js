// Formulas, typeset by KaTeX, and the names of arrays.

import "../vendor/katex/katex.min.js";

const { katex } = globalThis;

// A new element with a formula.
export function formula(tex, display = false) {
  const element = document.createElement(display ? "div" : "span");
  element.className = display ? "formula display" : "formula";
  katex.render(tex, element, { displayMode: display, throwOnError: false });
  return element;
}

const partial = (of, by) => String.raw`\frac{\partial ${of}}{\partial ${by}}`;

// What an array is: its symbol in TeX, and words. `of` is what the gradients are gradients of.
export function nameOf(name, what, of) {
  const loss = what === "generator_loss" ? "L_G" : "L_D";
  const fixed = {
    x: ["x", what === "batch" ? "training images" : "input"],
    y: ["y", "output"],
    z: ["z", "noise, and the class if there is one"],
    onehot: ["c", "classes, one-hot"],
    dy: [partial(of, "y"), "gradient that comes from above"],
    dx: [partial(of, "x"), of === "D" ? "D’s slope, for the layer below" : "gradient for the layer below"],
    v: ["v", "what comes from below"],
    ddy: [partial("P", String.raw`(\mathrm{d}y)`), "for the layer above"],
    ddx: [partial("P", "x"), "second-order term"],
    mask: ["m", "dropout’s mask of this pass"],
    xhat: [String.raw`\hat x`, "normalized input"],
    mean: [String.raw`\mu`, "mean of this batch"],
    var: [String.raw`\sigma^2`, "variance of this batch"],
    inv_std: [String.raw`\tfrac{1}{\sqrt{\sigma^2 + \varepsilon}}`, "one over the standard deviation"],
    running_mean: [String.raw`\mu_\text{run}`, "running mean, for evaluation, after this pass"],
    running_var: [String.raw`\sigma^2_\text{run}`, "running variance, for evaluation, after this pass"],
    real: ["D(x)", "logits of training images"],
    fake: ["D(G(z))", "logits of generated images"],
    dreal: [partial(loss, "D(x)"), "gradient at those logits"],
    dfake: [partial(loss, "D(G(z))"), "gradient at those logits"],
    d_loss_real: ["L_D", "part of the training images"],
    d_loss_fake: ["L_D", "part of the generated images"],
    g_loss: ["L_G", "loss"],
    penalty: ["P", "value"],
    decay: [String.raw`\beta`, "decay per step"],
  };
  if (fixed[name]) return fixed[name];
  const [, before, key, after] = name.match(/^(added_d|update_|m_|v_|d)?(.*?)(_after)?$/);
  const made = {
    added_d: [partial(of === "L" && what === "double_backward" ? "P" : of, key), "what this pass adds to the gradient"],
    update_: [String.raw`\Delta ${key}`, "what the step adds"],
    m_: ["m_t", "mean of the gradients so far"],
    v_: ["v_t", "mean of their squares so far"],
    d: [partial(what === "step" || what === "double_backward" ? "" : of, key).replace(String.raw`\partial }`, String.raw`\partial L}`),
      what === "step" ? "gradient" : "gradient of the parameter"],
  };
  if (before) return made[before];
  const words = { W: "weights", b: "biases" };
  return after ? [`${key}'`, `${words[key] ?? "parameter"} after the step`] : [key, words[key] ?? "parameter"];
}
