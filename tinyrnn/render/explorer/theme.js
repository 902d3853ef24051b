// Light and dark: what the system prefers, until someone chooses; paper is always light.

const systemDark = matchMedia("(prefers-color-scheme: dark)");
let chosenTheme = null;
let onPaper = false;

const currentTheme = () => (onPaper ? "light" : chosenTheme ?? (systemDark.matches ? "dark" : "light"));

function applyTheme() {
  const theme = currentTheme();
  document.documentElement.dataset.theme = theme;
  const other = theme === "dark" ? "Light" : "Dark";
  find("theme").textContent = other;
  find("theme").setAttribute("aria-label", `${other} theme`);
}

function watchTheme(changed, printed) {
  const apply = () => {
    applyTheme();
    changed();
  };
  systemDark.addEventListener("change", apply);
  find("theme").addEventListener("click", () => {
    chosenTheme = currentTheme() === "dark" ? "light" : "dark";
    apply();
  });
  matchMedia("print").addEventListener("change", (event) => {
    onPaper = event.matches;
    apply();
    printed(onPaper);
  });
  applyTheme();
}
