// Everything by keyboard.

function bindKeys(explorer) {
  const { timeline, camera } = explorer;
  const bindings = [
    ["Space", "play, pause", [" "], () => timeline.toggle()],
    ["→  ←", "one operation on, back", ["ArrowRight"], () => timeline.next()],
    [null, null, ["ArrowLeft"], () => timeline.back()],
    ["PgDn  PgUp", "a whole time step on, back", ["PageDown"], () => timeline.leap(1)],
    [null, null, ["PageUp"], () => timeline.leap(-1)],
    ["Home  End", "to the beginning, to the end", ["Home"], () => timeline.go(0)],
    [null, null, ["End"], () => timeline.go(LAST)],
    ["B", "to where the backward pass begins", ["b"], () => timeline.go(FORWARD)],
    ["W  S", "walk on to what reads the node, back to its first input", ["w"], () => explorer.walk("w")],
    [null, null, ["s"], () => explorer.walk("s")],
    ["A  D", "walk to the same at the step before, the step after", ["a"], () => explorer.walk("a")],
    [null, null, ["d"], () => explorer.walk("d")],
    ["1  2  3", "light up ancestors, the gradient’s way, all steps", ["1"], () => explorer.setMode("ancestors")],
    [null, null, ["2"], () => explorer.setMode("gradient")],
    [null, null, ["3"], () => explorer.setMode("steps")],
    ["Esc", "lights out", ["Escape"], () => explorer.choose(null)],
    ["+  −  0", "zoom in, zoom out, fit", ["+", "="], () => camera.zoom(1.25)],
    [null, null, ["-", "−"], () => camera.zoom(0.8)],
    [null, null, ["0"], () => camera.fit()],
    ["Shift and arrows", "move the drawing", [], null],
    ["L", "next level of detail", ["l"], () => explorer.nextLevel()],
    ["F", "fold or unfold a long sequence", ["f"], () => explorer.toggleFold()],
    ["G", "next weight in the pile of gradients", ["g"], () => explorer.nextWeight()],
    ["T", "light or dark", ["t"], () => find("theme").click()],
    ["?", "these keys", ["?"], () => explorer.help()],
  ];
  const actions = new Map(bindings.flatMap(([, , keys, action]) => keys.map((key) => [key, action])));
  find("keys").append(...bindings.filter(([shown]) => shown).map(([shown, what]) =>
    element("tr", {}, element("th", { scope: "row" }, shown), element("td", {}, what))));
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
    const onControl = event.target.closest("button, a, select");
    if (onControl && (event.key === " " || event.key === "Enter")) return;
    if (event.shiftKey && moves[event.key]) camera.pan(...moves[event.key]);
    else if (actions.has(event.key)) actions.get(event.key)();
    else if (actions.has(event.key.toLowerCase())) actions.get(event.key.toLowerCase())();
    else return;
    event.preventDefault();
  });
}
