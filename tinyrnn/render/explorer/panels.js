// States, gates and gradients over the whole sequence, as far as the computation has come.

const MOST_POINTS = 600;

class Panels {
  constructor(host, jump) {
    this.jump = jump;
    this.maps = [];
    this.curves = [];
    const { states, gates } = data.tracks;
    host.hidden = !states.length && !gates.length; // there is no time
    const scopes = [...new Set([...states, ...gates].map((track) => track.scope))];
    const names = shortNames(scopes);
    this.module = new Map(scopes.map((scope, i) => [scope, scopes.length > 1 ? names[i] : ""]));
    host.classList.toggle("modules", scopes.length > 1);
    host.append(
      this.figure("Hidden states", states), ...(gates.length ? [this.figure("Gates", gates)] : []),
      this.gradients(states.filter((track) => track.gradient_norms.some((norm) => norm !== null))));
  }

  figure(title, tracks) {
    const batch = Math.max(1, ...tracks.map((track) => track.batch));
    const said = [];
    if (tracks.some((track) => track.rows < track.shape[0])) said.push(`${count(tracks[0].shape[0])} units drawn as means in ${tracks[0].rows} rows`);
    if (tracks.some((track) => track.columns < track.shape[1])) said.push(`${count(tracks[0].shape[1])} steps drawn as means in ${tracks[0].columns} columns`);
    return element("figure", { class: "panel" },
      element("figcaption", {}, element("b", {}, title), tracks.length ? element("span", { class: "scale", title: "red is negative, blue is positive" }, "−", element("i"), "+") : null),
      element("div", { class: "rows" }, tracks.length ? tracks.map((track) => this.map(track)) : element("p", { class: "facts" }, "— none in this graph")),
      tracks.length ? this.axis(tracks[0], batch > 1 ? `sequence 1 of ${batch}` : "") : null,
      said.length ? element("p", { class: "said" }, said.join("; ")) : null);
  }

  axis(track, said = "") {
    const steps = [...track.steps].sort((a, b) => a - b);
    return element("div", { class: "axis" }, element("span", {}, `t = ${steps[0] + 1}`), element("span", {}, said),
      element("span", {}, steps.length > 1 ? `t = ${steps.at(-1) + 1}` : ""));
  }

  label(track) {
    return element("span", { class: "label", title: track.scope }, formula([track.name, "t"]), element("small", {}, this.module.get(track.scope)));
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
    return element("div", { class: "row" }, this.label(track), canvas);
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
    const scopes = [...new Set(tracks.map((track) => track.scope))];
    const names = [...new Set(tracks.map((track) => track.name))];
    const style = (track) => scopes.length === 1 ? `curve${names.indexOf(track.name) % 4}` : `curve${scopes.indexOf(track.scope) % 4} dash${names.indexOf(track.name) % 3}`;
    const key = (kind, ...text) => element("span", { class: `curve-key ${kind}` }, shape("svg", { viewBox: "0 0 20 6", "aria-hidden": "true" }, shape("path", { d: "M0,3H20" })), ...text);
    const symbol = (name) => formula(["∂L/∂" + name, "t"]);
    const keys = scopes.length === 1 ? tracks.map((track) => key(style(track), symbol(track.name))) : [
      ...scopes.map((scope, i) => key(`curve${i % 4}`, this.module.get(scope))), // the colour tells the module, the dashes the state
      ...names.map((name, i) => key(`dash${i % 3}`, symbol(name)))];
    const caption = element("figcaption", {}, element("b", {}, "Gradient norm"), element("span", { class: "keys" }, keys));
    if (!norms.length) {
      return element("figure", { class: "panel" }, caption, element("div", { class: "rows" }, element("p", { class: "facts" }, `— ${data.missing ?? "no state gets a gradient that is a finite number"}`)));
    }
    const low = Math.floor(Math.log10(norms.reduce((a, b) => Math.min(a, b))) - 1e-9);
    const high = Math.max(low + 1, Math.ceil(Math.log10(norms.reduce((a, b) => Math.max(a, b)))));
    const chart = shape("svg", { class: "curves", viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": "Norm of the gradient of each state over time" });
    for (let power = low; power <= high; power++) {
      const y = this.level(power, low, high);
      if ((power - low) % Math.ceil((high - low) / 4) === 0) chart.append(shape("line", { class: "grid", x1: 0, x2: 300, y1: y, y2: y, "vector-effect": "non-scaling-stroke" }));
    }
    tracks.forEach((track) => {
      const line = shape("polyline", { class: style(track), "vector-effect": "non-scaling-stroke" });
      chart.append(line);
      this.curves.push({ line, points: this.points(track, low, high) });
    });
    const fold = Math.max(...tracks.map((track) => this.together(track)));
    const scale = element("div", { class: "powers" }, element("span", {}, "10", element("sup", {}, String(high).replace("-", "−"))), element("span", {}, "10", element("sup", {}, String(low).replace("-", "−"))));
    return element("figure", { class: "panel" }, caption, element("div", { class: "rows chart" }, scale, chart), this.axis(tracks[0]),
      fold > 1 ? element("p", { class: "said" }, `a point is the largest of ${fold} steps`) : null);
  }

  // How many steps are one point of a curve.
  together(track) { return Math.ceil(track.nodes.length / MOST_POINTS); }

  points(track, low, high) {
    const [steps, fold] = [track.nodes.length, this.together(track)];
    return Array.from({ length: Math.ceil(steps / fold) }, (_, i) => {
      const norms = track.gradient_norms.slice(i * fold, (i + 1) * fold).filter((norm) => Number.isFinite(norm) && norm > 0);
      const x = ((i + 0.5) * 300 * fold) / steps;
      return { node: track.nodes[i * fold], text: norms.length ? `${x.toFixed(2)},${this.level(Math.log10(Math.max(...norms)), low, high).toFixed(1)}` : null };
    });
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
