// One drawing as SVG: built once, then only classes change.

const UNIT = 10; // whole numbers are tenths of a point
const LONG = 1500; // points; to dash a line far beyond the window takes time, and shows nothing
const RADIUS = { round: 5, square: 0.5 };

class Scene {
  constructor(drawn) {
    this.drawn = drawn;
    this.size = drawn.size.map((length) => length / UNIT);
    this.columns = new Map(); // groups that can be left out while they are out of sight
    this.layers = ["frames", "texts", "links", "backs", "marks"].map((name) => shape("g", { class: name }));
    this.root = shape("g", { class: "scene" }, this.layers);
    const [frames, texts, links, backs, marks] = this.layers;
    links.append(...drawn.cuts.map((path) => this.arrow(path, "cut", links, null, true)));
    frames.append(...drawn.frames.map((frame) => this.frame(frame)));
    texts.append(...drawn.texts.map((text) => this.text(text)));
    this.marks = drawn.marks.map((mark, i) => this.mark(mark, i, marks));
    this.links = drawn.links.map((link) => this.link(link, links, backs));
    this.into = this.marks.map(() => []);
    this.outOf = this.marks.map(() => []);
    for (const link of this.links) {
      this.into[link.to].push(link);
      this.outOf[link.from].push(link);
    }
    this.ofNode = new Map();
    this.marks.forEach((mark) => this.ofNode.set(mark.node, [...(this.ofNode.get(mark.node) ?? []), mark]));
    this.both = this.marks.some((mark) => mark.back !== null);
  }

  // A group in a layer for what lies between x0 and x1: it is hidden while the camera looks elsewhere.
  group(layer, x0, x1) {
    const wide = 400;
    const first = Math.floor(x0 / wide);
    const last = Math.floor(x1 / wide);
    const key = `${layer.getAttribute("class")} ${first} ${last}`;
    if (!this.columns.has(key)) {
      const group = shape("g");
      layer.append(group);
      this.columns.set(key, { group, x0: first * wide, x1: (last + 1) * wide, shown: true });
    }
    return this.columns.get(key).group;
  }

  frame([x, y, width, height, inner]) {
    return shape("rect", { class: inner ? "frame inner" : "frame", x: x / UNIT, y: y / UNIT, width: width / UNIT, height: height / UNIT, rx: 8 });
  }

  text([x, y, text, below, anchor, size]) {
    return shape("text", { x: x / UNIT, y: y / UNIT + size * 0.34, "text-anchor": anchor, "font-size": size }, text,
      below ? shape("tspan", { dy: size / 4, "font-size": size * 0.75 }, below) : null);
  }

  mark([node, x, y, width, height, role, label, below, kin, inside, back], number, layer) {
    [x, y, width, height] = [x, y, width, height].map((length) => length / UNIT);
    const form = data.roles[role].shape;
    const outline = form === "ellipse"
      ? shape("ellipse", { class: "shape", cx: x, cy: y, rx: width / 2, ry: height / 2 })
      : shape("rect", { class: "shape", x: x - width / 2, y: y - height / 2, width, height, rx: RADIUS[form] ?? height / 2 });
    const text = shape("text", { x, y: y + 3.4, "text-anchor": "middle" }, label,
      below ? shape("tspan", { dy: 2.5, "font-size": 7.5 }, below) : null);
    const group = shape("g", { class: `mark ${role.replaceAll(" ", "-")}${back === null ? "" : " backside"}`, "data-mark": number, tabindex: -1, role: "img",
      "aria-label": `${label}${below ? ` ${below}` : ""}, ${data.roles[role].legend}` }, outline, text);
    this.group(layer, x - width / 2, x + width / 2).append(group);
    const passed = inside.filter((part) => reachedAt.has(part));
    return { number, node, x, y, width, height, role, label, below, kin, inside, back, group, state: "", first: passed[0] ?? null };
  }

  link(link, layer, backs) {
    const forth = this.arrow(link.path, `link ${link.kind}`, this.range(link.path, layer), null, link.headless);
    const back = link.back
      ? this.arrow(link.back, `back ${link.flow}`, this.range(link.back, backs), `--width:${link.width}`)
      : null;
    return { ...link, forth, back, path: null, state: "" };
  }

  range(path, layer) {
    let x = 0, low = Infinity, high = -Infinity;
    for (let i = 0; i < path.length; i += 2) {
      x += path[i];
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
    return this.group(layer, low / UNIT, high / UNIT);
  }

  // A line and its head; the last two points are the neck and the tip.
  arrow(path, kind, group, style = null, headless = false) {
    const points = [];
    for (let i = 0, x = 0, y = 0; i < path.length; i += 2) points.push([(x += path[i]) / UNIT, (y += path[i + 1]) / UNIT]);
    const [x1, y1] = headless ? points.at(-1) : points.pop();
    const [x0, y0] = points[points.length - 1];
    const [dx, dy] = [(x1 - x0) * 0.36, (y1 - y0) * 0.36];
    const line = `M${points[0]}C${points.slice(1).join(" ")}`;
    const head = `M${x1},${y1}L${x0 - dy},${y0 + dx}L${x0 + dy},${y0 - dx}Z`;
    const long = points.length > 1 && Math.abs(x1 - points[0][0]) > LONG ? " long" : "";
    const drawn = shape("g", { class: kind + long, style }, shape("path", { class: "line", d: line }), headless ? null : shape("path", { class: "tip", d: head }));
    group.append(drawn);
    return drawn;
  }

  // Hide what is out of sight.
  show(x0, x1) {
    for (const column of this.columns.values()) {
      const shown = column.x1 >= x0 && column.x0 <= x1;
      if (shown !== column.shown) {
        column.shown = shown;
        column.group.style.display = shown ? "" : "none";
      }
    }
  }

  // Show the state of the computation at a position of the timeline.
  at(position) {
    const passed = passedDownTo(position);
    const now = nodeAt(position);
    const playing = position < LAST;
    const backward = position > FORWARD;
    const isNow = (mark) => playing && (mark.node === now || mark.inside.includes(now));
    for (const mark of this.marks) {
      const behind = mark.back !== null; // it belongs to the backward pass
      const known = behind ? mark.back >= passed : isComputed(mark.node, position);
      const reached = behind ? known : mark.first === null ? isReached(mark.node, position) : mark.first >= passed;
      const state = `${known ? "" : "pending"} ${reached ? "reached" : ""} ${isNow(mark) && (!this.both || behind === backward) ? "now" : ""}`;
      if (state === mark.state) continue;
      mark.state = state;
      for (const name of ["pending", "reached", "now"]) mark.group.classList.toggle(name, state.includes(name));
    }
    for (const link of this.links) {
      const { node } = this.marks[link.to];
      const source = this.marks[link.from];
      const flowed = link.uses.length ? link.uses.some(([, reader]) => reader >= passed) : isReached(node, position);
      const known = source.back !== null ? source.back >= passed : this.marks[link.to].back !== null ? backward : isComputed(node, position);
      const state = `${known ? "" : "pending"} ${flowed ? "flowed" : ""}`;
      if (state === link.state) continue;
      link.state = state;
      link.forth.classList.toggle("pending", state.includes("pending"));
      link.back?.classList.toggle("flowed", flowed);
    }
  }
}
