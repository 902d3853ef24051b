// What is known about a node, as a card: beside the pointer, or pinned at the side.

const OPERATIONS = {
  add: "addition", total: "addition", sub: "subtraction", mul: "product, element by element", div: "division", neg: "negative",
  matmul: "matrix product", sigmoid: "logistic sigmoid", sum: "sum", stack: "stack", concatenate: "concatenation", pow: "power",
  getitem: "selection", tanh: "hyperbolic tangent", part: "part of a split",
};

function card(mark, position) {
  const node = data.nodes[mark.node];
  const title = element("h2", {}, formula([mark.label || "copy", mark.below ?? ""]),
    element("span", { class: `chip ${mark.role.replaceAll(" ", "-")}` }, data.roles[mark.role].legend));
  if (mark.back !== null) return [title, ...backside(mark, node, position)];
  if (mark.role === "module") return [title, facts({ ...node, op: null, trainable: false, name: "" }, mark), inside(mark)];
  return [title, equation(node), facts(node, mark), value(mark, node, position), gradient(mark, node, position)];
}

// In the backward pass: the gradient that is known there, a share of a weight, or the sum of the shares so far.
function backside(mark, node, position) {
  const weight = data.weights.find((other) => other.node === mark.node);
  if (!weight || mark.back < 0) return [place(node), gradient(mark, node, position)];
  const share = weight.shares.findLast((other) => other.through >= mark.back);
  const known = share && arrived(weight, position).includes(share);
  const sum = mark.role === "sum";
  const name = formula(sum ? ["sum of the shares so far", ""] : ["share of ∂L/∂" + symbolOf(mark.node)[0], symbolOf(mark.node)[1]]);
  const map = sum ? share?.sum : share?.share;
  return [element("p", { class: "facts" }, timeOf({ step: share?.step })),
    part(name, !known ? "not reached yet" : map ? heatMap(map, "share") : `‖·‖ ${digits(sum ? share.sum_norm : share.norm)}`)];
}

// The equations of all that a box stands for.
function inside(mark) {
  const named = mark.inside.map((part) => data.nodes[part]).filter((node) => node?.symbol);
  return part("Inside", ...named.map((node) => element("p", { class: "equation" }, formula(node.formula))));
}

function equation(node) {
  return node.formula ? element("p", { class: "equation" }, formula(node.formula)) : null;
}

function facts(node, mark) {
  const several = mark.inside.length > 1 ? `${mark.inside.length} operations` : null;
  const what = [
    node.name?.length > 9 ? `“${node.name}”` : null,
    several ?? (node.op ? OPERATIONS[node.op] ?? node.op : node.trainable ? "a weight, shared by all steps" : "given"),
  ];
  return element("p", { class: "facts" }, listed([...what, ...where(node)]));
}

const where = (node) => [node.shape ? `${node.shape.length ? node.shape.join(" × ") : "scalar"} ${node.dtype}` : null, node.scope ? `in ${node.scope}` : null, timeOf(node) ? element("em", {}, timeOf(node)) : null];

const listed = (said) => said.filter(Boolean).flatMap((fact, i) => (i ? ["  ·  ", fact] : [fact]));

const place = (node) => element("p", { class: "facts" }, listed(where(node)));

function value(mark, node, position) {
  if (!isComputed(mark.node, position)) return part("Value", "not computed yet");
  return part("Value", node.value ? heatMap(node.value, "value") : node.shape ? "—" : "its parts, one by one");
}

function gradient(mark, node, position) {
  const title = adjoint(mark.node);
  if (data.missing) return part(title, `— ${data.missing}`);
  const weight = data.weights.find((other) => other.node === mark.node);
  if (!node.shape) return part(title, "the gradients of its parts, side by side");
  if (!node.gradient) return part(title, "— no gradient flows here");
  if (!isReached(mark.node, position)) {
    const soFar = weight ? arrived(weight, position) : [];
    if (!soFar.length) return part(title, "not reached yet");
    return part(title, `${soFar.length} of ${weight.shares.length} shares so far, norm of their sum ${digits(soFar.at(-1).sum_norm)}`);
  }
  const sources = weight
    ? element("p", { class: "facts" }, `the sum of ${weight.shares.length} shares`)
    : (node.arrivals ?? []).length ? element("ul", { class: "arrivals" }, node.arrivals.map(([through, norm]) =>
        element("li", {}, "through ", formula(symbolOf(through)), ` ${timeOf(data.nodes[through] ?? data.others[through])}`, element("b", {}, digits(norm))))) : null;
  return part(title, heatMap(node.gradient, "gradient"), sources);
}

function part(title, ...content) {
  return element("div", { class: "part" }, element("h3", {}, title), ...content.map((c) => (typeof c === "string" ? element("p", { class: "facts" }, c) : c)));
}

// The shares of a weight that have arrived at a position.
function arrived(weight, position) {
  const passed = passedDownTo(position);
  return weight.shares.filter((share) => share.through >= passed);
}

// ∂L/∂ of a symbol, or of a formula in parentheses.
function adjoint(index) {
  const node = data.nodes[index];
  if (node.symbol) return formula(["∂L/∂" + node.symbol[0], node.symbol[1]]);
  const tokens = node.formula && plain(node.formula).length < 30 ? node.formula : [node.sign ?? "·", ""];
  return formula(["∂L/∂(" + tokens[0], ...tokens.slice(1), ")", ""]);
}
