// What a click lights up: a set of marks and links of a scene.

const MODES = [
  ["ancestors", "Ancestors", "All that the node was computed from"],
  ["gradient", "Gradient’s way", "How the gradient comes from the loss to the node, and on to the weights"],
  ["steps", "All steps", "The same weight, or the same operation, at every step"],
];

// Everything that can be reached from a mark: along `next`, links of a mark, to `end`, the other mark of a link.
function reach(start, next, end) {
  const [marks, links, todo] = [new Set([start]), new Set(), [start]];
  while (todo.length) {
    for (const link of next(todo.pop())) {
      links.add(link);
      if (!marks.has(link[end])) {
        marks.add(link[end]);
        todo.push(link[end]);
      }
    }
  }
  return { marks, links };
}

const LIGHTS = {
  ancestors: (scene, mark) => reach(mark.number, (i) => scene.into[i], "from"),

  gradient(scene, mark) {
    if (scene.both) return LIGHTS.ancestors(scene, mark); // there the way of the gradient is drawn on its own
    const carries = (link) => link.back !== null;
    const from = reach(mark.number, (i) => scene.outOf[i].filter(carries), "to");
    const to = reach(mark.number, (i) => scene.into[i].filter(carries), "from");
    return { marks: new Set([...from.marks, ...to.marks]), links: new Set([...from.links, ...to.links]) };
  },

  steps(scene, mark) {
    const alike = scene.marks.filter((other) => (mark.role === "parameter" ? other.node === mark.node : other.kin === mark.kin));
    const marks = new Set(alike.map((other) => other.number));
    const links = new Set(alike.flatMap((other) => scene.outOf[other.number].filter(() => mark.role === "parameter")));
    links.forEach((link) => marks.add(link.to));
    return { marks, links };
  },
};

function light(scene, mark, mode) {
  const lit = mark ? LIGHTS[mode](scene, mark) : null;
  scene.root.classList.toggle("lighting", lit !== null);
  scene.root.dataset.mode = lit ? mode : "";
  scene.marks.forEach((other) => other.group.classList.toggle("lit", lit?.marks.has(other.number) ?? false));
  scene.links.forEach((link) => {
    const on = lit?.links.has(link) ?? false;
    link.forth.classList.toggle("lit", on);
    link.back?.classList.toggle("lit", on);
  });
}
