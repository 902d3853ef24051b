// States, gates and gradients over the whole sequence, as far as the computation has come.

class Panels {
  constructor(host, jump) {
    this.jump = jump;
    this.maps = [];
    this.curves = [];
    const { states, gates } = data.tracks;
    host.append(
      this.figure("Hidden states", states.map((track) => this.map(track)), states),
      this.figure("Gates and functions", gates.map((track) => this.map(track)), gates),
      this.gradients(states.filter((track) => track.gradient_norms.some((norm) => norm !== null))));
  }

  figure(title, rows, tracks) {
    const first = tracks[0];
    const said = [];
    if (first && first.batch > 1) said.push(`sequence 1 of ${first.batch}`);
    if (tracks.some((track) => track.rows * track.columns < track.shape[0] * track.shape[1])) said.push("means of neighbours");
    return element("figure", { class: "panel" },
      element("figcaption", {}, element("b", {}, title), said.length ? ` ${said.join(", ")}` : "", element("span", { class: "scale" }, "−", element("i"), "+")),
      element("div", { class: "rows" }, rows.length ? rows : element("p", { class: "facts" }, "— none in this graph")),
      first ? this.axis(first) : null);
  }

  axis(track) {
    const steps = [...track.steps].sort((a, b) => a - b);
    return element("div", { class: "axis" }, element("span", {}, `t = ${steps[0] + 1}`), element("span", {}, steps.length > 1 ? `${steps.at(-1) + 1}` : ""));
  }

  map(track) {
    const canvas = element("canvas", { class: "heat", role: "img", "aria-label": `${track.name} over time, ${track.shape[0]} units, ${track.shape[1]} steps` });
    const numbers = numbersOf(track);
    const limit = Math.max(largest(numbers), 1e-30);
    canvas.addEventListener("pointermove", (event) => {
      const [row, column] = this.cell(canvas, track, event);
      canvas.title = `${track.name}, t = ${this.stepOf(track, column) + 1}, unit ${Math.floor((row * track.shape[0]) / track.rows) + 1}: ${digits(numbers[row * track.columns + column])}`;
    });
    canvas.addEventListener("click", (event) => this.jump(track.nodes[this.nodeOf(track, this.cell(canvas, track, event)[1])]));
    this.maps.push({ track, canvas, numbers, limit });
    const label = element("span", { class: "label", title: track.scope }, formula([track.name, "t"]));
    return element("div", { class: "row" }, label, canvas);
  }

  cell(canvas, track, event) {
    const place = canvas.getBoundingClientRect();
    const at = (length, share) => Math.max(0, Math.min(length - 1, Math.floor(length * share)));
    return [at(track.rows, (event.clientY - place.top) / place.height), at(track.columns, (event.clientX - place.left) / place.width)];
  }

  nodeOf(track, column) { return Math.floor((column * track.nodes.length) / track.columns); }

  stepOf(track, column) { return track.steps[this.nodeOf(track, column)]; }

  // ‖∂L/∂hₜ‖ over t, on a logarithmic scale.
  gradients(tracks) {
    const norms = tracks.flatMap((track) => track.gradient_norms).filter((norm) => Number.isFinite(norm) && norm > 0);
    const caption = element("figcaption", {}, element("b", {}, "Norm of the gradient"), tracks.map((track, i) =>
      element("span", { class: `key curve${i % 4}` }, formula(["∂L/∂" + track.name, "t"]))));
    if (!norms.length) {
      return element("figure", { class: "panel" }, caption, element("div", { class: "rows" }, element("p", { class: "facts" }, `— ${data.missing ?? "no state gets a gradient"}`)));
    }
    const low = Math.floor(Math.log10(Math.min(...norms)) - 1e-9);
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...norms))));
    const chart = shape("svg", { class: "curves", viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": "Norm of the gradient of each state over time" });
    for (let power = low; power <= high; power++) {
      const y = this.level(power, low, high);
      if ((power - low) % Math.ceil((high - low) / 4) === 0) chart.append(shape("line", { class: "grid", x1: 0, x2: 300, y1: y, y2: y, "vector-effect": "non-scaling-stroke" }));
    }
    tracks.forEach((track, i) => {
      const line = shape("polyline", { class: `curve${i % 4}`, "vector-effect": "non-scaling-stroke" });
      chart.append(line);
      const steps = track.nodes.length;
      const points = track.nodes.map((node, k) => {
        const norm = track.gradient_norms[k];
        return { node, text: Number.isFinite(norm) && norm > 0 ? `${((k + 0.5) * 300) / steps},${this.level(Math.log10(norm), low, high).toFixed(1)}` : null };
      });
      this.curves.push({ line, points });
    });
    const scale = element("div", { class: "powers" }, element("span", {}, "10", element("sup", {}, String(high).replace("-", "−"))), element("span", {}, "10", element("sup", {}, String(low).replace("-", "−"))));
    return element("figure", { class: "panel" }, caption, element("div", { class: "rows chart" }, scale, chart), this.axis(tracks[0]));
  }

  level(power, low, high) { return 96 - (92 * (power - low)) / (high - low); }

  at(position) {
    const [computed, passed] = [computedUpTo(position), passedDownTo(position)];
    for (const { track, canvas, numbers, limit } of this.maps) {
      const shown = Array.from({ length: track.columns }, (_, column) => track.nodes[this.nodeOf(track, column)] <= computed);
      const key = shown.lastIndexOf(true) - shown.indexOf(true) + currentTheme();
      if (canvas.dataset.key === key) continue;
      canvas.dataset.key = key;
      paint(canvas, numbers, track.rows, track.columns, limit, shown);
    }
    for (const { line, points } of this.curves) {
      line.setAttribute("points", points.filter(({ node, text }) => text && node >= passed).map(({ text }) => text).join(" "));
    }
  }
}
