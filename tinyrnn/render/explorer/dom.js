// Elements of the page.  Text is only ever set as text, so that no name can become markup.

const SVG = "http://www.w3.org/2000/svg";

const find = (id) => document.getElementById(id);

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const shape = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A formula is a list: text, subscript, text, subscript, …
function formula(tokens) {
  const written = element("span", { class: "formula" });
  for (let i = 0; i < tokens.length; i += 2) {
    written.append(tokens[i]);
    if (tokens[i + 1]) written.append(element("sub", {}, tokens[i + 1]));
  }
  return written;
}

const plain = (tokens) => tokens.map((token, i) => (i % 2 && token ? `_${token}` : token)).join("");

// Three significant digits; a text is a number that JSON has no word for.
function digits(value) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "string") return { inf: "∞", "-inf": "−∞", nan: "NaN" }[value] ?? value;
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−").replace("e-", "e−");
}

const count = (number) => number.toLocaleString("en");

// A choice between a few things: buttons of which one is pressed.  Returns what presses one, with or without its effect.
function choices(host, options, chosen, choose) {
  const buttons = options.map(([value, text, title]) =>
    element("button", { type: "button", title, "data-value": value, onclick: () => select(value) }, text));
  const show = (value) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.value === String(value))));
  function select(value) {
    show(value);
    choose(value);
  }
  show(chosen);
  host.replaceChildren(...buttons);
  host.hidden = options.length < 2;
  return { select, show };
}
