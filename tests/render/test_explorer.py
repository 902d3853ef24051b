"""The explorer in a real browser: stepping, pointing, clicking, both themes, keys alone, paper; and hostile names."""

import shutil

import numpy as np
import pytest

import tinyrnn as tr
from tinyrnn import nn

from .models import MODELS

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium, such as apt-get install chromium")
OFFLINE = "--disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", *OFFLINE.split()])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages by the names of their models, each written once."""
    folder, written = tmp_path_factory.mktemp("pages"), {}

    def file(name, graph=None):
        if name not in written:
            graph = graph or tr.tape(MODELS[name.rstrip("0123456789")](int(name.lstrip("abcdefghijklmnopqrstuvwxyz_"))))
            written[name] = graph.render(folder / f"{name}.html"), graph
        return written[name]

    return file


@pytest.fixture
def visit(browser, files):
    """Opens a page, and sees to it that it neither complains nor looks for anything outside."""
    contexts, complaints = [], []

    def visit(name, graph=None, **options):
        path, _ = files(name, graph)
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
        page.goto(f"file://{path}")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def settled(page):
    """After the next frame."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def wait_until(page, truth):
    """A page that forbids `eval` cannot wait by itself."""
    for _ in range(200):
        if page.evaluate(truth):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never: {truth}")


def written(array):
    """The norm of an array, as the page writes it."""
    norm = np.linalg.norm(array)
    if norm >= 1e-3:
        return f"‖·‖ {float(f'{norm:.3g}')}"
    mantissa, power = f"{norm:.2e}".split("e")
    return f"‖·‖ {mantissa}e−{int(power[1:])}"


def count(page, selector):
    return page.locator(selector).count()


def mark(page, label, n=0):
    """The n-th mark of a label, such as "h 2, state"."""
    return page.locator(f'.mark[aria-label="{label}"]').nth(n)


def test_stepping_forwards_and_backwards_to_the_end(visit, files):
    page = visit("lstm3")
    graph = files("lstm3")[1].with_gradients()
    marks = count(page, ".mark")
    assert count(page, ".mark.pending") == 0 and page.locator("#position").inner_text() == "Both passes are complete."
    page.keyboard.press("Home")
    given = marks - count(page, ".mark.pending")
    assert given == count(page, ".mark.input, .mark.parameter") + 2 and count(page, ".mark.reached") == 0  # and h₀, c₀
    seen, texts = [], []
    for _ in range(200):
        page.keyboard.press("ArrowRight")
        texts.append(page.locator("#position").inner_text())
        if texts[-1].startswith("Backward"):
            seen.append(float(page.locator("#pile-words").get_attribute("data-sum") or 0))
        if texts[-1] == "Both passes are complete.":
            break
    assert texts[0] == "Forward 1 of 39, t = 1: x1 Wx" and "Forward 39 of 39: L = ÷24(Σ" not in texts
    assert any(text.endswith("c2 = f2 ⊙ c1 + i2 ⊙ g2") for text in texts)
    assert len([text for text in texts if text.startswith("Forward")]) == 39
    weight = next(node for node in graph.nodes if node.name == "W_x")
    final = float(page.locator("#pile-words").get_attribute("data-sum"))
    assert final == pytest.approx(np.linalg.norm(weight.gradient), rel=1e-6)
    assert len(set(seen)) == 4 and seen[0] == 0  # nothing yet, then one share after the other
    for name in ("W_h", "b"):
        page.keyboard.press("g")
        final = float(page.locator("#pile-words").get_attribute("data-sum"))
        gradient = next(node for node in graph.nodes if node.name == name).gradient
        assert final == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
    assert count(page, ".mark.pending") == 0 and count(page, ".mark.reached") > 30


def test_the_slider_goes_anywhere_and_the_buttons_step(visit):
    page = visit("lstm3")
    page.locator("#slider").fill("20")
    before = page.locator("#position").inner_text()
    assert before.startswith("Forward ") and " of 39, t = 2" in before
    page.locator("#next").click()
    after = page.locator("#position").inner_text()
    assert int(after.split()[1]) == int(before.split()[1]) + 1
    page.locator("#back").click()
    assert page.locator("#position").inner_text() == before
    page.keyboard.press("b")
    page.keyboard.press("PageDown")
    assert "∂L/∂" in page.locator("#position").inner_text()
    page.locator("#first").click()
    page.locator("#play").click()
    wait_until(page, "document.getElementById('slider').value > 1")
    page.locator("#play").click()
    stopped = page.locator("#slider").input_value()
    page.wait_for_timeout(500)
    assert page.locator("#slider").input_value() == stopped


def test_pointing_at_a_node_tells_what_it_is(visit, files):
    page = visit("lstm3")
    graph = files("lstm3")[1].with_gradients()
    mark(page, "c 2, state").hover()
    said = page.locator("#hover").inner_text()
    cell = next(node for node in graph.nodes if node.name == "c" and node.step == 1)
    for text in ("c2 = f2 ⊙ c1 + i2 ⊙ g2", "addition", "2 × 4 float32", "LSTM.layer0", "t = 2", "∂L/∂c2", "through"):
        assert text in said
    assert written(cell.gradient) in said
    assert count(page, "#hover canvas") == 2
    page.keyboard.press("Home")
    mark(page, "c 3, state").hover()
    said = page.locator("#hover").inner_text()
    assert "not computed yet" in said and "not reached yet" in said and count(page, "#hover canvas") == 0
    mark(page, "x 1, input").hover()
    page.keyboard.press("End")
    mark(page, "x 2, input").hover()
    assert "no gradient flows here" in page.locator("#hover").inner_text()


def test_a_click_lights_up_ancestors_the_gradients_way_or_all_steps(visit):
    page = visit("lstm3")
    mark(page, "c 1, state").click()
    lit = page.locator(".mark.lit").evaluate_all("marks => marks.map(mark => mark.getAttribute('aria-label'))")
    assert "c 1, state" in lit and "h 0, state" in lit and "x 1, input" in lit and "c 0, state" in lit
    assert not any(label.startswith(("h 1", "x 2", "c 2", "L", "σ o")) for label in lit)
    page.keyboard.press("2")
    lit = page.locator(".mark.lit").evaluate_all("marks => marks.map(mark => mark.getAttribute('aria-label'))")
    assert "L, loss" in lit and "c 2, state" in lit and lit.count("W x, parameter") == 1 and "x 1, input" not in lit
    mark(page, "W h, parameter", 1).click()
    page.get_by_role("button", name="All steps").click()
    lit = page.locator(".mark.lit").evaluate_all("marks => marks.map(mark => mark.getAttribute('aria-label'))")
    assert lit.count("W h, parameter") == 3 and lit.count("@, arithmetic") == 3 and len(lit) == 6
    page.keyboard.press("Escape")
    assert count(page, ".lit") == 0 and count(page, ".lighting") == 0


def test_wheel_drag_and_keys_move_the_camera(visit):
    page = visit("lstm3")
    where = lambda: page.locator("#camera").get_attribute("style")  # noqa: E731
    settled(page)
    box = page.locator("#drawing").bounding_box()
    views = [where()]
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.wheel(0, -300)
    settled(page)
    views.append(where())
    zoomed = [float(view.split("scale(")[1].rstrip(");")) for view in views]
    assert zoomed[1] > 1.3 * zoomed[0]
    page.mouse.down()
    page.mouse.move(box["x"] + 350, box["y"] + 260, steps=4)
    page.mouse.up()
    assert count(page, ".mark.chosen") == 0
    for key in ("Shift+ArrowLeft", "+", "-"):
        settled(page)
        views.append(where())
        page.keyboard.press(key)
    settled(page)
    assert len(set(views)) == len(views)
    page.keyboard.press("0")
    settled(page)
    assert where() != views[-1]


@pytest.mark.parametrize("scheme, ground", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 26, 32)")])
def test_both_themes(visit, scheme, ground):
    page = visit("lstm3", color_scheme=scheme)
    colour = "getComputedStyle(document.getElementById('stage')).backgroundColor"
    assert page.evaluate(colour) == ground
    state = page.evaluate("getComputedStyle(document.querySelector('.mark.state .shape')).fill")
    page.keyboard.press("t")
    assert page.evaluate(colour) != ground
    assert page.evaluate("getComputedStyle(document.querySelector('.mark.state .shape')).fill") != state
    page.locator("#theme").click()
    assert page.evaluate(colour) == ground


def test_by_keyboard_alone(visit):
    page = visit("lstm3")
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or stops[-1] == "BODY"
    assert {"drawing", "play", "slider", "theme", "help-button"} <= set(stops)
    page.keyboard.press("w")
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    for key in "sswad":
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.classList.contains('mark')") and first
    assert page.locator("#inspector h2").count() == 1
    page.keyboard.press("?")
    assert "play, pause" in page.locator("#help").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input')].filter(e => !(e.ariaLabel || e.textContent.trim())).length"
    )
    assert unnamed == 0


def test_on_paper_the_whole_drawing_is_shown_in_light_colours(visit, tmp_path):
    page = visit("lstm3", color_scheme="dark")
    page.emulate_media(media="print")
    wait_until(page, "document.documentElement.dataset.theme === 'light'")
    assert not page.locator("#transport").is_visible() and not page.locator("#mode").is_visible()
    assert page.locator("#camera").get_attribute("viewBox")
    assert page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)[:5] == b"%PDF-"
    page.emulate_media(media="screen")
    wait_until(page, "document.documentElement.dataset.theme === 'dark'")
    assert page.locator("#camera").get_attribute("viewBox") is None


def test_a_long_sequence_opens_folded_and_unfolds(visit):
    page = visit("lstm50")
    assert "46 steps in the middle are left out" in page.locator("#note").inner_text()
    times = lambda: page.locator(".texts text").evaluate_all("texts => texts.map(text => text.textContent)")  # noqa: E731
    assert [text for text in times() if text.startswith("t = ")] == ["t = 1", "t = 2", "t = 49", "t = 50"]
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("PageDown")
    assert ", t = 49: " in page.locator("#position").inner_text()
    page.keyboard.press("f")
    assert count(page, ".mark.state") == 102 and not page.locator("#note").is_visible()
    assert len([text for text in times() if text.startswith("t = ")]) == 50
    page.get_by_role("button", name="Folded", exact=True).click()
    assert count(page, ".mark.state") == 10
    page.keyboard.press("End")
    assert page.locator("#pile-words").get_attribute("data-count") == "50"


def test_levels_of_detail(visit):
    page = visit("lstm3")
    page.keyboard.press("Home")
    page.keyboard.press("l")
    assert count(page, ".mark.gate") == 12 and page.get_by_role("button", name="Gates").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Cells", exact=True).click()
    assert count(page, ".mark.module") == 3 and count(page, ".mark.parameter") == 0
    positions = []
    while not positions or positions[-1] != "Both passes are complete.":
        page.keyboard.press("ArrowRight")
        positions.append(page.locator("#position").inner_text())
    assert 15 < len(positions) < 40  # stops where this level shows something
    assert count(page, ".mark.module.reached") == 3 and count(page, ".mark.pending") == 0
    page.locator(".mark.module").first.hover()
    said = page.locator("#hover").inner_text()
    assert "12 operations" in said and "c1 = f1 ⊙ c0 + i1 ⊙ g1" in said
    page.locator(".mark.module").nth(1).click()
    page.keyboard.press("l")  # back to all operations: the cell's last one is lit up
    assert count(page, ".mark.chosen") == 1 and count(page, ".mark.lit") > 20


@pytest.mark.parametrize("name", ["plain1", "truncated3"])
def test_graphs_without_states(visit, name):
    page = visit(name)
    page.keyboard.press("Home")
    while page.locator("#position").inner_text() != "Both passes are complete.":
        page.keyboard.press("ArrowRight")
    assert count(page, ".mark.pending") == 0
    assert not page.locator("#panels").is_visible()


def test_both_passes_as_one_network(visit, files):
    page = visit("lstm3")
    page.keyboard.press("Home")
    page.get_by_role("button", name="Both passes").click()
    assert count(page, ".mark.share") == 9 and count(page, ".mark.share.pending") == 9
    page.keyboard.press("b")
    assert count(page, ".mark:not(.backside).pending") == 0
    behind = count(page, ".mark.backside.pending")
    arrivals = []
    while page.locator("#position").inner_text() != "Both passes are complete.":
        page.keyboard.press("ArrowRight")
        arrivals.append(9 - count(page, ".mark.share.pending"))
    assert behind > 40 and count(page, ".pending") == 0
    assert arrivals == sorted(arrivals) and set(range(3)) < set(arrivals)  # share after share
    mark(page, "ΔW h,2, share Δ· of one step").hover()
    said = page.locator("#hover").inner_text()
    parts = [share for into, through, share in files("lstm3")[1].shares() if into.name == "W_h" and through.step == 1]
    assert "share of ∂L/∂Wh" in said and written(parts[0]) in said
    mark(page, "δc 2, gradient δ· = ∂L/∂·").click()
    assert "∂L/∂c2" in page.locator("#inspector").inner_text() and count(page, ".mark.lit") > 10


FRAMES = """async (dy) => {
    const drawing = document.getElementById("drawing"), box = drawing.getBoundingClientRect(), times = [];
    for (let i = 0, last = performance.now(); i < 80; i++) {
        await new Promise(requestAnimationFrame);
        times.push(performance.now() - last);
        last = performance.now();
        const way = i < 40 ? 30 : -30, at = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
        const turn = dy ? {deltaY: way} : {deltaX: way, deltaY: 0};
        drawing.dispatchEvent(new WheelEvent("wheel", {...turn, ...at, bubbles: true, cancelable: true}));
    }
    return times.sort((a, b) => a - b)[40];
}"""


@pytest.mark.slow
@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("zooming", [True, False])
def test_fifty_steps_move_at_sixty_frames_a_second(visit, folded, zooming):
    page = visit("lstm50")
    if not folded:
        page.keyboard.press("f")
    page.wait_for_timeout(500)
    assert page.evaluate(FRAMES, zooming) < 20.0  # milliseconds; the screen's own pace is 16.7


EVIL = "</script><script>alert(1)</script>"


class Evil(nn.Module):
    """Names that would break a page that took them for markup."""

    def __init__(self):
        self.W = tr.Parameter(np.ones((4, 4), "float32"), name=EVIL)

    def forward(self, x, h):
        return tr.named(**{'<img src=x onerror="alert(2)">': tr.tanh(x @ self.W + h * 0.5)})[0]


def test_hostile_names_are_only_text(visit):
    h = tr.tensor(np.ones((2, 4), "float32"), name='"quoted" \\ back\nslash ‮ \u2028 𝒉 ')
    cell = Evil()
    with tr.scope("<b>bold</b>${x}"):
        for t in range(3):
            with tr.step(t):
                h = cell(h, h)
        loss = tr.sum(h * h)
    page = visit("evil", tr.tape(loss))
    assert count(page, "img") == 0 and count(page, "b b") == 0 and count(page, "body > script") == 2
    page.locator(".mark.parameter").first.hover()
    assert EVIL in page.locator("#hover").inner_text()
    page.locator(".mark.state").last.hover()
    assert "<b>bold</b>${x}" in page.locator("#hover").inner_text()


def test_a_graph_without_gradients_says_so(visit):
    y, _ = nn.LSTM(3, 4)(tr.tensor(np.ones((2, 2, 3), "float32")))
    page = visit("forward", tr.tape(y))
    assert "no backward pass" in page.locator("#summary").inner_text()
    assert "—" in page.locator("#pile").inner_text() and count(page, ".back") == 0
    mark(page, "h 1, state").hover()
    assert "— the output has shape" in page.locator("#hover").inner_text()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#position").inner_text().startswith("Forward 1 of")


def test_gradients_that_are_no_numbers_are_shown_as_such(visit):
    layer = nn.RNN(3, 4)
    layer.layer0.W_h.assign(np.full((4, 4), np.nan, "float32"))
    y, _ = layer(tr.tensor(np.ones((3, 2, 3), "float32")))
    page = visit("undefined", tr.tape(tr.sum(y * y)))
    assert count(page, ".back.lost") > 0
    assert "sum NaN, which is the gradient" in page.locator("#pile").inner_text()
