// Backpropagation through time: the shares of a weight's gradient pile up, one for each use.

class Pile {
  constructor(host) {
    this.host = host;
    this.weight = null;
    if (!data.weights.length) {
      host.append(element("h2", {}, "Gradients of weights"),
        element("p", { class: "facts" }, `— ${data.missing ?? "no weight takes part"}`));
      return;
    }
    this.tabs = element("div", { class: "switch", role: "radiogroup", "aria-label": "Weight" });
    this.title = element("h2");
    this.chart = shape("svg", { class: "bars", viewBox: "0 0 300 110", preserveAspectRatio: "none", role: "img" });
    this.axis = element("div", { class: "axis" });
    this.words = element("p", { class: "facts", id: "pile-words" });
    this.maps = element("div", { class: "pair" });
    host.append(this.title, this.tabs, this.chart, this.axis, this.words, this.maps);
    this.select = choices(this.tabs, data.weights.map((weight, i) => [i, formula(symbolOf(weight.node))]), 0, (i) => this.choose(i));
    this.position = LAST;
    this.choose(0);
  }

  choose(i) {
    this.weight = data.weights[i];
    this.title.replaceChildren(formula(["∂L/∂" + symbolOf(this.weight.node)[0], symbolOf(this.weight.node)[1], " = Σ", "t", " share", "t"]));
    this.uses = [...this.weight.shares].sort((a, b) => a.through - b.through); // in the order of the forward pass
    const top = Math.max(...this.weight.shares.flatMap((share) => [share.norm, share.sum_norm]).filter(Number.isFinite), 1e-300);
    this.height = (norm) => (Number.isFinite(norm) ? 104 * (norm / top) : 110);
    const width = 300 / this.uses.length;
    const gap = Math.min(2, width * 0.2);
    this.bars = this.uses.map((share, k) => shape("rect", { x: k * width + gap, width: width - 2 * gap, y: 110 - this.height(share.norm), height: Math.max(0.6, this.height(share.norm)) }));
    this.line = shape("polyline", { class: "sum", "vector-effect": "non-scaling-stroke" });
    this.chart.replaceChildren(...this.bars, this.line);
    const times = [...new Set([this.uses[0], this.uses[Math.floor(this.uses.length / 2)], this.uses.at(-1)])];
    this.axis.replaceChildren(...times.map((share) => element("span", {}, share.step === null ? "·" : `t = ${share.step + 1}`)));
    this.at(this.position);
  }

  at(position) {
    this.position = position;
    if (!this.weight) return;
    const there = arrived(this.weight, position);
    const known = new Set(there);
    const width = 300 / this.uses.length;
    const latest = there.at(-1);
    this.uses.forEach((share, k) => {
      this.bars[k].setAttribute("class", known.has(share) ? (share === latest && position < LAST ? "latest" : "there") : "pending");
    });
    const points = there.map((share) => `${((this.uses.indexOf(share) + 0.5) * width).toFixed(1)},${(110 - this.height(share.sum_norm)).toFixed(1)}`);
    this.line.setAttribute("points", points.join(" "));
    this.tell(there, latest);
  }

  tell(there, latest) {
    const all = this.weight.shares.length;
    const done = there.length === all;
    this.words.dataset.sum = latest ? latest.sum_norm : "";
    this.words.dataset.count = there.length;
    this.chart.setAttribute("aria-label", `${there.length} of ${all} shares have arrived; the norm of their sum is ${digits(latest?.sum_norm)}`);
    this.words.replaceChildren(
      element("span", { class: "key share" }), `‖share‖ of each use, ${there.length} of ${all} `,
      element("br"), element("span", { class: "key sum" }), "norm of the sum so far ", element("b", {}, digits(latest?.sum_norm)),
      done ? ": the gradient" : "");
    const labelled = (name, map) => element("figure", {}, heatMap(map, name), element("figcaption", {}, name));
    const when = latest && latest.step !== null ? `share of t = ${latest.step + 1}` : "latest share";
    this.maps.replaceChildren(...(latest?.share ? [labelled(when, latest.share), labelled(done ? "sum = gradient" : "sum so far", latest.sum)] : []));
  }
}
