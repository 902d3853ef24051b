// Everything by keyboard.

function bindKeys(explorer) {
  const { timeline, camera } = explorer;
  const bindings = [
    ["Space", "play, pause", { " ": () => timeline.toggle() }],
    ["→  ←", "one operation on, back", { ArrowRight: () => timeline.next(), ArrowLeft: () => timeline.back() }],
    ["PgDn  PgUp", "a whole time step on, back", { PageDown: () => timeline.leap(1), PageUp: () => timeline.leap(-1) }],
    ["Home  End", "to the beginning, to the end", { Home: () => timeline.go(0), End: () => timeline.go(LAST) }],
    ["B", "to where the backward pass begins", { b: () => timeline.go(FORWARD) }],
    ["W  S", "walk on to what reads the node, back to its first input", { w: () => explorer.walk("w"), s: () => explorer.walk("s") }],
    ["A  D", "walk to the same at the step before, the step after", { a: () => explorer.walk("a"), d: () => explorer.walk("d") }],
    ["1  2  3", "light up ancestors, the gradient’s way, all steps", Object.fromEntries(MODES.map(([mode], i) => [i + 1, () => explorer.setMode(mode)]))],
    ["Esc", "lights out", { Escape: () => explorer.choose(null) }],
    ["+  −  0", "zoom in, zoom out, fit", { "+": () => camera.zoom(1.25), "=": () => camera.zoom(1.25), "-": () => camera.zoom(0.8), 0: () => camera.fit() }],
    ["Shift and arrows", "move the drawing", {}],
    ["L", "next level of detail", { l: () => explorer.nextLevel() }],
    ["F", "fold or unfold a long sequence", { f: () => explorer.toggleFold() }],
    ["G", "next weight in the pile of gradients", { g: () => explorer.nextWeight() }],
    ["T", "light or dark", { t: () => find("theme").click() }],
    ["?", "these keys", { "?": () => explorer.help() }],
  ];
  const moves = { ArrowLeft: () => camera.pan(60, 0), ArrowRight: () => camera.pan(-60, 0), ArrowUp: () => camera.pan(0, 60), ArrowDown: () => camera.pan(0, -60) };
  const actions = Object.assign({}, ...bindings.map(([, , keys]) => keys));
  find("keys").append(...bindings.map(([keys, what]) => element("tr", {}, element("th", { scope: "row" }, keys), element("td", {}, what))));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("help").open || event.target.closest("select")) return;
    if (event.target.closest("button") && (event.key === " " || event.key === "Enter")) return; // it presses the button
    const action = (event.shiftKey && moves[event.key]) || actions[event.key] || actions[event.key.toLowerCase()];
    if (!action) return;
    action();
    event.preventDefault();
  });
}
