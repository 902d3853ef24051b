// Backpropagation through time: the shares of a weight's gradient pile up, one for each use.

const MOST_BARS = 300;

class Pile {
  constructor(host) {
    this.weight = null;
    this.position = LAST;
    if (!data.weights.length) {
      host.append(element("h2", {}, "Gradients of weights"), element("p", { class: "facts" }, `— ${data.missing ?? "no weight takes part"}`));
      return;
    }
    this.title = element("h2");
    this.chart = shape("svg", { class: "bars", viewBox: "0 0 300 110", preserveAspectRatio: "none", role: "img" });
    this.axis = element("div", { class: "axis" });
    this.words = element("p", { class: "facts", id: "pile-words" });
    this.maps = element("div", { class: "pair" });
    this.logarithmic = false;
    const scale = element("div", { class: "switch", role: "group", "aria-label": "Scale" });
    choices(scale, [["linear", "linear"], ["log", "log"]], "linear", (chosen) => this.rescale(chosen === "log"));
    host.append(this.title, element("div", { class: "line" }, this.chooser(), scale), this.chart, this.axis, this.words, this.maps);
    this.chart.addEventListener("pointermove", (event) => this.point(event));
    this.choose(0);
  }

  // A few weights are buttons, many are a list.
  chooser() {
    if (data.weights.length <= 5) {
      const tabs = element("div", { class: "switch", role: "group", "aria-label": "Weight" });
      this.select = choices(tabs, data.weights.map((weight, i) => [i, formula(symbolOf(weight.node))]), 0, (i) => this.choose(i)).select;
      return tabs;
    }
    const modules = shortNames(data.weights.map((weight) => weight.module));
    const list = element("select", { "aria-label": "Weight", onchange: () => this.choose(Number(list.value)) }, data.weights.map((weight, i) =>
      element("option", { value: i }, `${plain(symbolOf(weight.node))}  ·  ${modules[i]}`)));
    this.select = (i) => {
      list.value = i;
      this.choose(i);
    };
    return list;
  }

  choose(i) {
    this.weight = data.weights[i];
    const { shares } = this.weight;
    const [symbol, below] = symbolOf(this.weight.node);
    const time = shares.some((share) => share.step !== null) ? "t" : "";
    this.title.replaceChildren(formula([`∂L/∂${symbol}`, below, " = Σ", time, " share", time]));
    this.uses = [...shares].sort((a, b) => a.through - b.through); // in the order of the forward pass
    this.order = new Map(this.uses.map((share, k) => [share, k]));
    const norms = shares.flatMap((share) => [share.norm, share.sum_norm]).filter((norm) => Number.isFinite(norm) && norm > 0);
    this.top = norms.reduce((most, norm) => Math.max(most, norm), 1e-300);
    this.least = norms.reduce((least, norm) => Math.min(least, norm), this.top) / 2;
    const bars = Math.min(this.uses.length, MOST_BARS);
    this.bars = Array.from({ length: bars }, (_, k) => this.bar(this.uses.slice(this.first(k, bars), this.first(k + 1, bars)), k, 300 / bars));
    this.line = shape("polyline", { class: "sum", "vector-effect": "non-scaling-stroke" });
    this.chart.replaceChildren(...this.bars.map(({ drawn }) => drawn), this.line);
    const ends = [...new Set([this.uses[0], this.uses[Math.floor(this.uses.length / 2)], this.uses.at(-1)])];
    this.axis.replaceChildren(...ends.map((share) => element("span", {}, share.step === null ? "·" : `t = ${share.step + 1}`)));
    this.at(this.position);
  }

  first(k, bars) { return Math.floor((k * this.uses.length) / bars); }

  // One use, or the largest of neighbours.
  bar(shares, k, width) {
    const height = Math.max(0.8, ...shares.map((share) => this.height(share.norm)));
    const gap = width > 3 ? Math.min(2, width * 0.15) : -0.1; // many bars are one surface
    return { shares, drawn: shape("rect", { x: k * width + gap, width: width - 2 * gap, y: 110 - height, height }) };
  }

  height(norm) {
    if (!Number.isFinite(norm)) return 110;
    if (this.logarithmic) return norm > 0 ? (104 * Math.log(norm / this.least)) / Math.log(this.top / this.least) : 0;
    return (104 * norm) / this.top;
  }

  rescale(logarithmic) {
    this.logarithmic = logarithmic;
    this.choose(data.weights.indexOf(this.weight));
  }

  point(event) {
    const place = this.chart.getBoundingClientRect();
    const k = Math.floor(((event.clientX - place.left) / place.width) * this.uses.length);
    const share = this.uses[Math.max(0, Math.min(this.uses.length - 1, k))];
    this.chart.replaceChild(shape("title", {}, `${share.step === null ? "" : `t = ${share.step + 1}: `}‖share‖ ${digits(share.norm)}, norm of the sum from here to the end ${digits(share.sum_norm)}`),
      this.chart.querySelector("title") ?? this.chart.insertBefore(shape("title"), this.chart.firstChild));
  }

  at(position) {
    this.position = position;
    if (!this.weight) return;
    const there = arrived(this.weight, position);
    const known = new Set(there);
    const latest = position < LAST ? there.at(-1) : null;
    for (const { shares, drawn } of this.bars) {
      drawn.setAttribute("class", shares.includes(latest) ? "latest" : shares.some((share) => known.has(share)) ? "there" : "pending");
    }
    const width = 300 / this.uses.length;
    this.line.setAttribute("points", there.map((share) => `${((this.order.get(share) + 0.5) * width).toFixed(1)},${(110 - this.height(share.sum_norm)).toFixed(1)}`).join(" "));
    this.tell(there);
  }

  // Of a part of a graph only some shares are known.
  rest() {
    const { norm, shares } = this.weight;
    const sum = shares.at(-1).sum_norm;
    return Object.is(sum, norm) || Math.abs(sum - norm) <= 1e-3 * norm ? ", which is the gradient" : `; the gradient’s is ${digits(norm)}: the other shares come from outside this part`;
  }

  tell(there) {
    const latest = there.at(-1);
    const all = this.weight.shares.length;
    const done = there.length === all;
    Object.assign(this.words.dataset, { sum: latest?.sum_norm ?? "", count: there.length });
    this.chart.setAttribute("aria-label", `${there.length} of ${all} shares have arrived; the norm of their sum is ${digits(latest?.sum_norm)}`);
    this.words.replaceChildren(
      element("span", { class: "key share" }), `‖share‖ of each use: ${count(there.length)} of ${count(all)} have arrived`, element("br"),
      element("span", { class: "key sum" }), "norm of their sum ", element("b", {}, digits(latest?.sum_norm)), done ? this.rest() : "",
      ...(this.logarithmic ? [element("br"), `the scale runs from ${digits(this.least)} to ${digits(this.top)}`] : []),
      ...(all > MOST_BARS ? [element("br"), `a bar is the largest of ${Math.ceil(all / MOST_BARS)} uses`] : []));
    const labelled = (name, map) => element("figure", {}, element("figcaption", {}, name), heatMap(map, name));
    const when = latest && latest.step !== null ? `share of t = ${latest.step + 1}` : "latest share";
    this.maps.replaceChildren(...(latest?.share ? [labelled(when, latest.share), labelled(done ? "sum" : "sum so far", latest.sum)] : []));
  }
}
