// Heat maps: blue is positive, red is negative, as dark as it is large.

const PALETTES = {
  light: { zero: [250, 250, 250], plus: [0, 92, 158], minus: [200, 62, 20], odd: [255, 0, 200] },
  dark: { zero: [34, 39, 47], plus: [95, 184, 245], minus: [255, 122, 80], odd: [255, 0, 200] },
};

function numbersOf(map) {
  if (map.values) return map.values;
  if (map.numbers) map.values = map.numbers.map((v) => (typeof v === "string" ? NaN : v));
  else map.values = Array.from(atob(map.codes), (char) => {
    const code = char.charCodeAt(0);
    return code === 0 ? NaN : (code - 128) * map.unit;
  });
  return map.values;
}

const largest = (numbers) => numbers.reduce((most, v) => (Math.abs(v) > most ? Math.abs(v) : most), 0);

function colour(value, limit, palette) {
  if (Number.isNaN(value)) return palette.odd;
  const share = limit > 0 ? Math.min(1, Math.abs(value) / limit) : 0;
  const end = value >= 0 ? palette.plus : palette.minus;
  return palette.zero.map((zero, i) => zero + (end[i] - zero) * Math.pow(share, 0.8));
}

// Paint numbers, row by row, one pixel each; the style sheet makes the pixels large.  `shown` says which columns are known.
function paint(canvas, numbers, rows, columns, limit, shown = null) {
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const palette = PALETTES[currentTheme()];
  for (let i = 0; i < rows * columns; i++) {
    if (shown && !shown[i % columns]) continue;
    const [r, g, b] = colour(numbers[i], limit, palette);
    image.data.set([r, g, b, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

// An array with what must be said about it.
function heatMap(map, name) {
  const numbers = numbersOf(map);
  const [height, width] = map.shape;
  const limit = largest(numbers);
  const wide = Math.min(300, Math.max(map.columns * 14, 28));
  const canvas = element("canvas", {
    class: "heat", role: "img",
    style: `width:${wide}px;height:${Math.min(110, Math.max(14, Math.round((wide * map.rows) / Math.max(1, map.columns)), map.rows * 3))}px`,
    "aria-label": `${name}: norm ${digits(map.norm)}, from ${digits(map.low)} to ${digits(map.high)}`,
  });
  paint(canvas, numbers, map.rows, map.columns, limit);
  canvas.addEventListener("pointermove", (event) => {
    const place = canvas.getBoundingClientRect();
    const row = Math.min(map.rows - 1, Math.floor(((event.clientY - place.top) / place.height) * map.rows));
    const column = Math.min(map.columns - 1, Math.floor(((event.clientX - place.left) / place.width) * map.columns));
    canvas.title = `[${row + 1}, ${column + 1}]  ${digits(numbers[row * map.columns + column])}`;
  });
  const fewer = map.rows * map.columns < height * width;
  const facts = height * width === 1 ? [digits(numbers[0])] : [`‖·‖ ${digits(map.norm)}`, `${digits(map.low)} … ${digits(map.high)}`];
  return element("div", { class: "map" }, canvas, element("p", { class: "facts" }, facts.map((fact) => element("span", {}, fact))),
    fewer ? element("p", { class: "facts" }, `${height} × ${width}, as means of ${map.rows} × ${map.columns} blocks`) : null);
}
