// The record, as Python wrote it down, and what can be read off it.

const data = JSON.parse(find("data").textContent);
for (const weight of data.weights) { // its shares, in the order of their arrival
  weight.shares = weight.through.map((through, k) => ({
    through, step: weight.steps[k], norm: weight.norms[k], sum_norm: weight.sum_norms[k], share: weight.maps[k]?.[0], sum: weight.maps[k]?.[1],
  }));
}
const FORWARD = data.forward.length;
const LAST = FORWARD + data.backward.length; // positions: 0 … FORWARD … LAST
const WEIGHTS = new Set(data.weights.map((weight) => weight.node));

const computedAt = new Map(data.forward.map((node, i) => [node, i + 1])); // leaves are there from the start
const reachedAt = new Map(data.backward.map((node, i) => [node, FORWARD + i + 1]));

const isComputed = (node, position) => (computedAt.get(node) ?? 0) <= position;
const isReached = (node, position) => (reachedAt.get(node) ?? Infinity) <= position;

// Autograd passes operations from young to old: what is younger than the one it passes now has been passed.
function passedDownTo(position) {
  if (position <= FORWARD) return Infinity;
  const node = data.backward[position - FORWARD - 1];
  return WEIGHTS.has(node) ? -1 : node;
}

// The node that an event is about.
const nodeAt = (position) =>
  position <= 0 ? null : position <= FORWARD ? data.forward[position - 1] : data.backward[position - FORWARD - 1];

// What ran last, forwards: the youngest operation that has been computed.
const computedUpTo = (position) => (position >= FORWARD ? Infinity : position <= 0 ? -1 : data.forward[position - 1]);

function symbolOf(index) {
  const node = data.nodes[index] ?? data.others[index];
  return node.symbol ?? [node.sign ?? node.op ?? "array", ""];
}

const timeOf = (node) => (node.step === undefined || node.step === null ? "" : `t = ${node.step + 1}`);

// What modules are called without what all their names begin with.
function shortNames(scopes) {
  const parts = scopes.map((scope) => scope.split("."));
  let common = 0;
  while (parts.length && parts.every((names) => names.length > common + 1 && names[common] === parts[0][common])) common++;
  return parts.map((names) => names.slice(common).join(".").replace(/_reverse$/, " ←"));
}
