// Everything put together.

const LEVELS = { primitives: "Operations", gates: "Gates", cells: "Cells", both: "Both passes" };

class Explorer {
  constructor() {
    this.scenes = new Map();
    this.mode = "ancestors";
    this.chosen = null; // a mark
    this.window = find("drawing");
    this.camera = new Camera(this.window, find("camera"), (x0, x1) => this.scene?.show(x0, x1));
    this.timeline = new Timeline((position) => this.moved(position));
    this.pile = new Pile(find("pile"));
    this.panels = new Panels(find("panels"), (node) => this.lookAt(node));
    this.describe();
    this.controls();
    this.setScene(data.scenes[data.opens]);
    watchTheme(() => this.repaint(), (printing) => this.paper(printing));
    bindKeys(this);
    this.moved(this.timeline.position);
  }

  describe() {
    const { name, steps, operations } = data.title;
    find("name").textContent = name;
    find("summary").textContent = [
      steps ? `${count(steps)} time ${steps === 1 ? "step" : "steps"}` : null, `${count(operations)} operations`,
      data.missing ? `no backward pass: ${data.missing}` : null].filter(Boolean).join(" · ");
    find("phase-forward").style.flexGrow = FORWARD;
    find("phase-backward").style.flexGrow = LAST - FORWARD;
    find("phase-backward").hidden = LAST === FORWARD;
    find("slider").style.setProperty("--turn", `${(100 * FORWARD) / Math.max(1, LAST)}%`);
  }

  controls() {
    const { timeline, camera } = this;
    const clicks = { first: () => timeline.go(0), back: () => timeline.back(), play: () => timeline.toggle(), next: () => timeline.next(),
      last: () => timeline.go(LAST), "zoom-in": () => camera.zoom(1.25), "zoom-out": () => camera.zoom(0.8), fit: () => camera.fit(), "help-button": () => this.help() };
    for (const [id, action] of Object.entries(clicks)) find(id).addEventListener("click", action);
    find("slider").max = LAST;
    find("slider").addEventListener("input", (event) => timeline.go(Number(event.target.value)));
    this.modes = choices(find("mode"), MODES, this.mode, (mode) => this.lightUp(mode));
    const levels = [...new Set(data.scenes.map((scene) => scene.level))];
    this.levels = choices(find("level"), levels.map((level) => [level, LEVELS[level]]), null, (level) => this.setScene(this.find({ level })));
    const folds = new Set(data.scenes.map((scene) => scene.folded)).size > 1 ? [[true, "Folded"], [false, "Unfolded"]] : [];
    this.folds = choices(find("fold"), folds, null, (folded) => this.setScene(this.find({ folded })));
    this.window.addEventListener("pointerover", (event) => this.hover(event));
    this.window.addEventListener("pointerleave", () => { find("hover").hidden = true; });
    this.window.addEventListener("click", (event) => this.click(event));
  }

  // -- scenes ------------------------------------------------------------------------------------------------------

  find(wanted) {
    const { level, folded } = { ...this.drawn, ...wanted };
    return data.scenes.find((scene) => scene.level === level && scene.folded === folded) ?? data.scenes.find((scene) => scene.level === level);
  }

  setScene(drawn) {
    const node = this.chosen?.node;
    this.drawn = drawn;
    if (!this.scenes.has(drawn)) this.scenes.set(drawn, new Scene(drawn));
    this.scene = this.scenes.get(drawn);
    find("camera").replaceChildren(this.scene.root);
    this.levels.show(drawn.level);
    this.folds.show(drawn.folded);
    this.legend();
    find("note").textContent = drawn.note;
    find("note").hidden = !drawn.note;
    const [width, height] = this.scene.size;
    find("camera").setAttribute("width", width);
    find("camera").setAttribute("height", height);
    Object.assign(this.camera, { size: this.scene.size, foot: find("legend").offsetHeight });
    this.camera.fit(false);
    this.timeline.over(this.scene);
    this.scene.at(this.timeline.position);
    find("position").replaceChildren(...this.words(this.timeline.position));
    this.choose(this.scene.ofNode.get(node)?.[0] ?? null);
  }

  nextLevel() {
    const levels = [...new Set(data.scenes.map((scene) => scene.level))];
    this.levels.select(levels[(levels.indexOf(this.drawn.level) + 1) % levels.length]);
  }

  toggleFold() {
    if (data.scenes.some((scene) => scene.folded !== this.drawn.folded)) this.folds.select(!this.drawn.folded);
  }

  nextWeight() {
    if (this.pile.weight) this.pile.select((data.weights.indexOf(this.pile.weight) + 1) % data.weights.length);
  }

  legend() {
    const roles = new Set(this.scene.marks.map((mark) => mark.role));
    const entries = Object.entries(data.roles).filter(([role]) => roles.has(role)).map(([role, { legend }]) =>
      element("li", {}, element("i", { class: `sample ${role.replaceAll(" ", "-")}` }), legend));
    if (data.backward.length && !this.scene.both) entries.push(element("li", {}, element("i", { class: "sample back" }), "gradient, wider for a larger norm"));
    find("legend").replaceChildren(...entries);
  }

  // -- pointing and choosing ---------------------------------------------------------------------------------------

  markOf(event) {
    const group = event.target.closest?.(".mark");
    return group ? this.scene.marks[Number(group.dataset.mark)] : null;
  }

  hover(event) {
    const [mark, box] = [this.markOf(event), find("hover")];
    box.hidden = !mark || mark === this.chosen || this.window.classList.contains("dragging");
    if (box.hidden) return;
    box.replaceChildren(...card(mark, this.timeline.position).filter(Boolean));
    const place = mark.group.getBoundingClientRect();
    const right = place.right + 14 + box.offsetWidth < innerWidth;
    box.style.left = `${Math.max(8, right ? place.right + 14 : place.left - 14 - box.offsetWidth)}px`;
    box.style.top = `${Math.max(8, Math.min(place.top - 10, innerHeight - box.offsetHeight - 8))}px`;
  }

  click(event) {
    if (this.camera.dragged > 4) return;
    const mark = this.markOf(event);
    this.choose(mark === this.chosen ? null : mark);
  }

  choose(mark) {
    this.chosen?.group.classList.remove("chosen");
    this.chosen = mark;
    find("hover").hidden = true;
    mark?.group.classList.add("chosen");
    const weight = data.weights.findIndex((other) => other.node === mark?.node);
    if (weight >= 0) this.pile.select(weight);
    this.lightUp(this.mode);
    this.inspect();
  }

  inspect() {
    const mark = this.chosen ?? (this.timeline.position < LAST ? this.shownAt(this.timeline.position) : null);
    find("inspector").replaceChildren(...(mark ? card(mark, this.timeline.position).filter(Boolean) : [
      element("p", { class: "facts hint" }, "Point at a node to read it, click it to light up what belongs to it. The arrow keys step through the computation; ? lists all keys.")]));
  }

  setMode(mode) { this.modes.select(mode); }

  lightUp(mode) {
    this.mode = mode;
    light(this.scene, this.chosen, mode);
  }

  // From node to node: to a reader, to an input, or to the same thing a step earlier or later.
  walk(way) {
    const { scene, chosen } = this;
    const start = chosen ?? scene.ofNode.get(nodeAt(this.timeline.position))?.[0] ?? scene.marks.at(-1);
    if (!chosen) return this.arrive(start);
    if (way === "w") return this.arrive(scene.marks[scene.outOf[chosen.number][0]?.to]);
    if (way === "s") return this.arrive(scene.marks[scene.into[chosen.number][0]?.from]);
    const row = scene.marks.filter((mark) => mark.kin === chosen.kin).sort((a, b) => a.x - b.x);
    this.arrive(row[row.indexOf(chosen) + (way === "d" ? 1 : -1)]);
  }

  arrive(mark) {
    if (!mark) return;
    this.choose(mark);
    this.camera.follow(mark);
    mark.group.focus({ preventScroll: true });
  }

  lookAt(node) {
    const mark = this.scene.ofNode.get(node)?.at(-1);
    if (mark) this.arrive(mark);
  }

  // -- time --------------------------------------------------------------------------------------------------------

  moved(position) {
    this.scene.at(position);
    this.pile.at(position);
    this.panels.at(position);
    this.inspect();
    find("slider").value = position;
    find("slider").style.setProperty("--at", `${(100 * position) / Math.max(1, LAST)}%`);
    find("play").setAttribute("aria-label", this.timeline.playing ? "Pause" : "Play");
    find("position").replaceChildren(...this.words(position));
    document.body.dataset.phase = position <= FORWARD && position < LAST ? "forward" : "backward";
    const mark = position < LAST ? this.shownAt(position) : null;
    if (mark) this.camera.follow(mark);
  }

  // The mark that an event is about.
  shownAt(position) {
    const node = nodeAt(position);
    const marks = this.scene.ofNode.get(node)?.filter((mark) => !this.scene.both || (mark.back !== null) === position > FORWARD);
    return marks?.at(-1) ?? this.scene.marks.find((mark) => mark.inside.includes(node)) ?? null;
  }

  words(position) {
    const index = nodeAt(position);
    if (position === 0) return ["Nothing is computed yet: inputs and weights are given."];
    if (position === LAST) return [data.backward.length ? "Both passes are complete." : "The forward pass is complete."];
    const node = data.nodes[index];
    const when = timeOf(node) ? `, ${timeOf(node)}` : "";
    if (position <= FORWARD) return [element("b", {}, `Forward ${this.timeline.count(position)}${when}: `), formula(node.formula ?? symbolOf(index))];
    const onward = (this.scene.ofNode.get(index) ?? []).flatMap((mark) => this.scene.into[mark.number]).filter((link) => link.back && link.uses.length);
    const receivers = onward.map((link, i) => [i ? ", " : "; its shares go on to ", formula([this.scene.marks[link.from].label, this.scene.marks[link.from].below ?? ""])]);
    return [element("b", {}, `Backward ${this.timeline.count(position)}${when}: `), adjoint(index), WEIGHTS.has(index) ? " is the sum of all shares" : " is complete", ...receivers.flat()];
  }

  help() { find("help").showModal(); }

  repaint() {
    this.panels.at(this.timeline.position);
    this.pile.at(this.timeline.position);
    this.inspect();
  }

  // On paper the whole drawing is shown.
  paper(printing) {
    if (printing) {
      find("camera").setAttribute("viewBox", `0 0 ${this.scene.size[0]} ${this.scene.size[1]}`);
      find("camera").style.transform = "";
      this.window.classList.remove("far");
      this.scene.show(-Infinity, Infinity);
    } else {
      find("camera").removeAttribute("viewBox");
      this.camera.write();
    }
  }
}

new Explorer();
