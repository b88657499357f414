"""The page in a real browser: what is seen, moved, clicked and shared.

Without Chromium these tests are skipped. What the page shows is compared with sweeps made here.
"""

import base64
import shutil
import statistics
import time
import urllib.parse

import msgspec
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import config, explorer
from eos_jax.config import Configuration, Range
from eos_jax.explorer import notebook, questions, views, work
from eos_jax.outcomes import Outcome

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]

VIEW = Configuration(
    steps=2000,
    objective={"name": "scalar_product", "multiplicities": [2, 2]},
    axes={"x": Range(3.0, 3.4, 64), "y": Range(0.1, 0.5, 64), "eta": 0.2},
)
LONGER = ("sharpness", "loss")
SIZE = {"width": 1440, "height": 900}


class Page:
    """A tab, and everything it complained of or asked for elsewhere."""

    def __init__(self, tab, address):
        self.tab, self.address, self.troubles = tab, address, []
        tab.on("console", self._printed)
        tab.on("pageerror", lambda error: self.troubles.append(str(error)))
        tab.on("request", self._asked)

    def _printed(self, message):
        # that reading pixels is slow concerns these tests alone: the page reads none
        if message.type in ("error", "warning") and "getImageData" not in message.text:
            self.troubles.append(message.text)

    def _asked(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.troubles.append(f"asks {request.url}")

    def open(self, address=None):
        self.tab.goto("about:blank")
        self.tab.goto(address or self.address)
        self.until("!!document.querySelector('#explorer').explorer")
        self.idle()
        return self

    def until(self, expression):
        """Wait; the page's policy lets no string be run, so it is asked from here."""
        for _ in range(1000):
            if self.tab.evaluate(expression):
                return
            time.sleep(0.02)
        raise AssertionError(f"never came: {expression}: {self.said()}")

    def idle(self):
        self.tab.wait_for_timeout(60)
        self.until("!document.querySelector('#explorer').explorer.working")

    def look(self, expression):
        """Something of the explorer `E`."""
        return self.tab.evaluate(
            "(() => { const E = document.querySelector('#explorer').explorer; "
            f"return {expression}; }})()"
        )

    def configuration(self):
        return msgspec.convert(self.look("configurationOf(E)"), Configuration)

    def picture(self):
        found = self.look("({shape: E.latest.shape, portion: E.latest.portion, data: "
                          "Object.fromEntries(Object.entries(E.latest.data).map(([n, v]) => "
                          "[n, Array.from(v)]))})")  # fmt: skip
        assert found["portion"] == 1
        return {n: np.array(v, float) for n, v in found["data"].items()}

    def said(self):
        return self.tab.locator("[data-part=problem]").inner_text()

    def at(self, across, up):
        """Where in the window a part of the map's width and height is, from below."""
        box = self.tab.locator("[data-part=stage]").bounding_box()
        f = self.look("frame(E)")
        return box["x"] + f["x"] + across * f["w"], box["y"] + f["y"] + (1 - up) * f["h"]

    def field(self, label):
        return self.tab.get_by_label(label, exact=True)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as found:
        running = found.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def server():
    with explorer.serve(explorer.Context(VIEW)) as running:
        yield running


@pytest.fixture
def page(browser, server):
    tab = browser.new_page(viewport=SIZE)
    found = Page(tab, server.address).open()
    yield found
    assert found.troubles == []
    tab.close()


def assert_shows_its_sweep(page, *names):
    """The page's numbers are those of `eos_jax.sweep` of the configuration in its address."""
    expected, found = eos.sweep(**config.arguments(page.configuration())), page.picture()
    for name in ("outcome", "steps", *names):
        np.testing.assert_array_equal(found[name], expected[name].values.ravel())
    return expected


def test_the_picture_is_the_sweep_pixel_for_pixel(page):
    expected = assert_shows_its_sweep(page)
    assert page.configuration() == VIEW
    # and what is painted is the colour of each fate: with quick steps light, with slow ones dark
    image = "E.latest.image.getContext('2d').getImageData(0, 0, 64, 64)"
    colours = np.array(page.look(f"Array.from({image}.data)")).reshape(64, 64, 4)
    fates = expected.outcome.values.T[::-1]  # rows from above
    blue, red = colours[..., 2].astype(int), colours[..., 0].astype(int)
    assert (blue > red)[fates == Outcome.CONVERGED].all()
    assert (red > blue)[fates == Outcome.DIVERGED].all()
    steps = expected.steps.values.T[::-1]
    converged = fates == Outcome.CONVERGED
    light = red[converged][steps[converged] == steps[converged].min()]
    dark = red[converged][steps[converged] == steps[converged].max()]
    assert light.min() > dark.max()


@pytest.mark.long
def test_the_screen_shows_those_pixels(page):
    """The colour at the centre of every third pixel, as the browser drew it."""
    fates = eos.sweep(**config.arguments(VIEW)).outcome.values
    drawn = page.look("""(() => {
      const f = frame(E), r = window.devicePixelRatio, pen = E.part.pictures.getContext('2d');
      const at = (i, j) => pen.getImageData((f.x + (i + 0.5) / 64 * f.w) * r,
        (f.y + (1 - (j + 0.5) / 64) * f.h) * r, 1, 1).data;
      const found = [];
      for (let i = 0; i < 64; i += 3)
        for (let j = 0; j < 64; j += 3) { const d = at(i, j); found.push(d[2] > d[0]); }
      return found; })()""")
    np.testing.assert_array_equal(drawn, (fates[::3, ::3] == Outcome.CONVERGED).ravel())


def test_the_wheel_zooms_about_the_pointer(page):
    place = page.at(0.75, 0.25)
    before = page.look("[toScreen(E).x(frame(E).x + 0.75 * frame(E).w), "
                       "toScreen(E).y(frame(E).y + 0.75 * frame(E).h)]")  # fmt: skip
    page.tab.mouse.move(*place)
    for _ in range(3):
        page.tab.mouse.wheel(0, -200)
        page.tab.wait_for_timeout(30)
    page.idle()
    after = page.look("[toScreen(E).x(frame(E).x + 0.75 * frame(E).w), "
                      "toScreen(E).y(frame(E).y + 0.75 * frame(E).h)]")  # fmt: skip
    assert after == pytest.approx(before, abs=2e-3)
    view = page.configuration().axes["x"]
    assert view.stop - view.start == pytest.approx(0.4 * np.exp(-1.2), rel=1e-6)
    assert_shows_its_sweep(page)


def test_dragging_moves_the_map_with_the_pointer(page):
    x, y = page.at(0.5, 0.5)
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    width = page.look("frame(E).w")
    page.tab.mouse.move(x + width / 4, y, steps=5)
    page.tab.mouse.up()
    page.idle()
    view = page.configuration().axes
    assert view["x"].start == pytest.approx(3.0 - 0.4 / 4 * 64 / 63, abs=2e-3)
    assert view["y"].start == pytest.approx(0.1, abs=1e-9)
    assert page.look("E.orbit") is None  # it was no click
    assert_shows_its_sweep(page)


def test_a_box_home_and_back(page):
    page.tab.get_by_role("button", name="Box").click()
    page.tab.mouse.move(*page.at(0.25, 0.75))
    page.tab.mouse.down()
    page.tab.mouse.move(*page.at(0.5, 0.5), steps=4)
    page.tab.mouse.up()
    page.idle()
    boxed = page.configuration().axes
    assert boxed["x"].stop - boxed["x"].start == pytest.approx(0.1, abs=2e-3)
    assert boxed["y"].start == pytest.approx(0.3, abs=3e-3)
    assert_shows_its_sweep(page)
    page.tab.get_by_role("button", name="Home").click()
    page.idle()
    assert page.configuration() == VIEW
    page.tab.get_by_role("button", name="Back").click()
    page.until("document.querySelector('#explorer').explorer.S.c.axes.x.start > 3.05")
    page.idle()
    assert page.configuration().axes == boxed
    page.tab.go_back()  # the browser's own
    page.idle()
    assert page.configuration() == VIEW
    assert_shows_its_sweep(page)


@pytest.mark.long
def test_two_fingers_zoom(page):
    """What lies under both fingers stays there."""
    (x0, y0), (x1, y1) = page.at(0.4, 0.5), page.at(0.6, 0.5)
    page.tab.evaluate(
        """([x0, y0, x1, y1]) => {
          const stage = document.querySelector('[data-part=stage]');
          stage.setPointerCapture = () => {};
          const send = (type, id, x, y) => stage.dispatchEvent(new PointerEvent(type,
            { pointerId: id, clientX: x, clientY: y, bubbles: true, pointerType: 'touch' }));
          send('pointerdown', 1, x0, y0); send('pointerdown', 2, x1, y1);
          const d = x1 - x0;
          for (let i = 1; i <= 10; i++) {
            send('pointermove', 1, x0 - d * i / 20, y0);
            send('pointermove', 2, x1 + d * i / 20, y1);
          }
          send('pointerup', 1, x0 - d / 2, y0); send('pointerup', 2, x1 + d / 2, y1);
        }""",
        [x0, y0, x1, y1],
    )
    page.idle()
    view = page.configuration().axes["x"]
    assert view.stop - view.start == pytest.approx(0.2, rel=0.02)
    assert (view.start + view.stop) / 2 == pytest.approx(3.2, abs=5e-3)
    assert page.look("E.orbit") is None


def test_a_click_shows_the_orbit_of_that_very_pixel(page):
    page.tab.mouse.click(*page.at(0.31, 0.62))
    page.until("!!document.querySelector('#explorer').explorer.orbit")
    start, orbit = page.look("E.S.start"), page.look("E.orbit")
    expected = eos.sweep(**config.arguments(VIEW))
    lane = expected.sel(x=start["x"], y=start["y"])  # exactly one of the axes' values
    assert orbit["steps"] == int(lane.steps) and orbit["outcome"] == int(lane.outcome)
    assert orbit["orbit"]["x_orbit"][0] == start["x"]
    words = page.tab.locator("[data-part=fate]").inner_text()
    assert Outcome(int(lane.outcome)).name.capitalize() in words and "threshold 10" in words
    for name in ("loss", "sharpness"):  # the threshold's colour is there in the second
        reds = page.look(f"""(() => {{
          const c = E.part.{name}, pen = c.getContext('2d');
          const d = pen.getImageData(0, 0, c.width, c.height).data;
          let n = 0;
          for (let i = 0; i < d.length; i += 4)
            n += d[i] > 190 && d[i + 2] < 60 && d[i + 3] > 200;
          return n; }})()""")
        assert (reds > 20) == (name == "sharpness")


@pytest.mark.long
def test_the_value_under_the_pointer_is_the_pixels(page):
    page.tab.select_option("[data-part=colour]", "loss")
    page.idle()
    page.tab.mouse.move(*page.at(10.5 / 64, 20.5 / 64))
    expected = eos.sweep(**config.arguments(VIEW)).isel(x=10, y=20)
    words = page.tab.locator("[data-part=readout]").inner_text()
    assert f"x {float(expected.x):.5g}"[:6] in words
    assert Outcome(int(expected.outcome)).name.lower() in words
    value = float(words.rsplit(" ", 1)[1].replace("\u2212", "-"))
    assert value == pytest.approx(float(expected.loss), rel=1e-5)


@pytest.mark.parametrize(
    "colour", ["gap", "changed_ulp", *(pytest.param(n, marks=pytest.mark.long) for n in LONGER)]
)
def test_every_colour_has_its_numbers_and_a_key(page, colour):
    page.tab.select_option("[data-part=colour]", colour)
    page.idle()
    needs = {"gap": ["sharpness", "threshold"], "changed_ulp": []}.get(colour, [colour])
    assert_shows_its_sweep(page, *needs)
    assert page.tab.locator("[data-part=legend] .scale").count() == 1
    if colour == "changed_ulp":
        assert "trusted" in page.tab.locator("[data-part=status]").inner_text()


@pytest.mark.long
def test_an_observer_is_recorded_when_it_is_chosen(page):
    page.tab.select_option("[data-part=colour]", "+maximum")
    page.idle()
    assert page.configuration().observe == {"maximum": {"observer": "maximum"}}
    assert_shows_its_sweep(page, "maximum")
    page.tab.select_option("[data-part=colour]", "+lyapunov")
    page.idle()
    parting = assert_shows_its_sweep(page, "lyapunov_exponent").lyapunov_exponent
    assert parting.notnull().mean() > 0.5
    page.tab.select_option("[data-part=colour]", "+period")
    page.idle()
    assert_shows_its_sweep(page, "period")


def test_a_slider_changes_the_step_size(page):
    slider = page.field("eta, slider")
    slider.evaluate("node => { node.value = 300; node.dispatchEvent(new Event('input')); }")
    page.idle()
    eta = page.configuration().axes["eta"]
    assert 0.02 < eta < 0.2
    assert f"{eta:g}" in page.tab.locator("[data-part=title]").inner_text()
    assert_shows_its_sweep(page)


@pytest.mark.long
def test_another_rule_and_momentum_against_step_size(page):
    page.field("rule").select_option("heavy_ball")
    page.until("document.querySelector('#explorer').explorer.S.c.axes.momentum !== undefined")
    page.idle()
    page.field("across").select_option("momentum")
    page.field("up").select_option("eta")
    page.idle()
    asked = page.configuration()
    assert list(asked.axes)[:2] == ["momentum", "eta"] and asked.rule["name"] == "heavy_ball"
    expected = assert_shows_its_sweep(page)
    assert expected.outcome.dims == ("momentum", "eta")


@pytest.mark.long
@pytest.mark.parametrize("name", ["function_of_product", "self_stabilization"])
def test_another_objective(page, name):
    options = page.field("objective").locator("option").evaluate_all(
        "all => all.map(o => o.value)"
    )  # fmt: skip
    mine = [value for value in options if f'"{name}"' in value]
    page.field("objective").select_option(mine[0])
    page.until(f"document.querySelector('#explorer').explorer.S.c.objective.name === '{name}'")
    page.idle()
    assert page.said() == ""
    assert_shows_its_sweep(page)


def test_an_entry_of_a_matrix_is_chosen_as_an_axis(page):
    """By name; what it was stays where it was left, and the page goes on from there."""
    page.field("pixels").select_option("128")
    page.idle()
    page.look("resystem(E, {objective: {name: 'uv_model', width: 2, target: 2}})")
    page.until("document.querySelector('#explorer').explorer.S.c.objective.name === 'uv_model'")
    page.idle()
    page.field("across").select_option("v_at_1")
    page.idle()
    page.field("up").select_option("u_at_0")
    page.idle()
    assert page.said() == ""
    assert page.field("across").locator("option:checked").inner_text() == "v[1]"
    asked = page.configuration()
    assert list(asked.axes)[:2] == ["v_at_1", "u_at_0"] and len(asked.axes["u"]) == 2
    assert_shows_its_sweep(page)
    page.field("across").select_option("eta")
    page.idle()
    middle = (asked.axes["v_at_1"].start + asked.axes["v_at_1"].stop) / 2
    after = page.configuration().axes
    assert "v_at_1" not in after and after["v"][1] == pytest.approx(middle, rel=1e-5)
    assert after["v"][0] == asked.axes["v"][0]
    begin = questions.starts(eos.objectives.uv_model(2, target=2))
    assert page.look("E.system.starts") == begin and asked.steps == 1000


def test_an_address_shows_the_same_view_again(page, browser, server):
    page.tab.mouse.move(*page.at(0.5, 0.5))
    page.tab.mouse.wheel(0, -300)
    page.tab.mouse.click(*page.at(0.4, 0.4))
    page.until("!!document.querySelector('#explorer').explorer.orbit")
    page.tab.wait_for_timeout(500)
    page.idle()
    shared = page.tab.url
    assert server.token in shared and "#" in shared
    other = Page(browser.new_page(viewport=SIZE), server.address).open(shared)
    assert other.configuration() == page.configuration()
    assert other.look("E.S.start") == page.look("E.S.start")
    np.testing.assert_array_equal(other.picture()["steps"], page.picture()["steps"])
    assert other.troubles == []
    other.tab.close()


@pytest.mark.long
def test_an_address_that_is_broken_shows_the_first_view(page, server):
    for text in ("nonsense", urllib.parse.quote('{"c": {"axes": {}}}'), "%7B"):
        page.open(f"{server.address}#{text}")
        assert page.configuration() == VIEW


def test_keys_do_what_buttons_do(page):
    page.tab.locator("[data-part=stage]").focus()
    page.tab.keyboard.press("+")
    page.idle()
    view = page.configuration().axes["x"]
    assert view.stop - view.start == pytest.approx(0.2, rel=1e-9)
    page.tab.keyboard.press("ArrowRight")
    page.idle()
    assert page.configuration().axes["x"].start > view.start
    page.tab.keyboard.press("Enter")
    page.until("!!document.querySelector('#explorer').explorer.orbit")
    page.tab.keyboard.press("Home")
    page.idle()
    assert page.configuration() == VIEW


def test_every_control_has_a_name_and_the_picture_a_description(page):
    nameless = page.tab.evaluate(
        """() => [...document.querySelectorAll('input, select, button, canvas[role], [role]')]
          .filter((n) => !(n.ariaLabel || n.getAttribute('aria-label') || n.textContent.trim()
            || (n.id && document.querySelector(`label[for="${n.id}"]`))
            || ['status', 'alert'].includes(n.getAttribute('role'))))
          .map((n) => n.outerHTML)"""
    )
    assert nameless == []
    ids = page.tab.evaluate("() => [...document.querySelectorAll('[id]')].map((n) => n.id)")
    assert len(ids) == len(set(ids))
    assert "pixels" in page.tab.locator("[role=status]").inner_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_at_any_width(page, width):
    page.tab.set_viewport_size({"width": width, "height": 800})
    page.tab.wait_for_timeout(100)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    assert page.look("frame(E).w") > 200


def test_at_the_grid_of_the_numbers_it_goes_no_deeper(page):
    page.tab.evaluate(
        """() => { const E = document.querySelector('#explorer').explorer;
          for (let i = 0; i < 60; i++) zoom(E, 0.4); }"""
    )
    page.idle()
    assert "as deep as float64 goes" in page.said()
    assert "ulp apart" in page.tab.locator("[data-part=status]").inner_text()
    assert_shows_its_sweep(page)


@pytest.mark.long
def test_too_much_is_said_on_the_page(page):
    page.field("Settings of the objective").fill('{"multiplicities": [200, 200]}')
    page.field("Settings of the objective").press("Tab")
    page.until("document.querySelector('[data-part=problem]').textContent.length > 0")
    assert "at most 256" in page.said() or "256 dimensions" in page.said()
    assert page.configuration() == VIEW
    page.troubles.clear()  # the browser notes that an answer was 400


def test_texts_and_files_are_handed_over(page):
    for button, words in (("TOML", "[axes]"), ("Python", "eos.sweep(")):
        page.tab.get_by_role("button", name=button).click()
        page.until(f"document.querySelector('[data-part=text]').textContent.includes('{words}')")
    with page.tab.expect_download() as waiting:
        page.tab.get_by_role("button", name="PNG").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")


def test_a_store_on_the_page(browser, tmp_path):
    whole = eos.sweep(**config.arguments(VIEW), out=tmp_path / "s")
    with explorer.serve(explorer.context_of(tmp_path / "s")) as server:
        page = Page(browser.new_page(viewport=SIZE), server.address).open()
        np.testing.assert_array_equal(page.picture()["steps"], whole.steps.values.ravel())
        page.tab.mouse.move(*page.at(0.5, 0.5))
        for _ in range(3):
            page.tab.mouse.wheel(0, -400)
            page.tab.wait_for_timeout(30)
        page.idle()
        found = page.picture()
        part = whole.sel(x=found["axis:x"], y=found["axis:y"])  # exactly values of the store
        np.testing.assert_array_equal(found["outcome"], part.outcome.values.ravel())
        page.tab.mouse.click(*page.at(0.5, 0.5))
        page.until("!!document.querySelector('#explorer').explorer.orbit")
        lane = whole.sel(**page.look("E.S.start"))
        assert page.look("E.orbit.steps") == int(lane.steps)
        assert page.troubles == []
        page.tab.close()


WIDGET = """async (text) => {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const { default: widget } = await import(url);
  const heard = [];
  const model = { on: (_, act) => heard.push(act), send: async ({ id, name, question, stop }) => {
    if (stop) return;
    const found = await window.answer(name, question);
    const bytes = Uint8Array.from(atob(found), (c) => c.charCodeAt(0));
    heard.forEach((act) => act({ id }, [new DataView(bytes.buffer)]));
  } };
  const el = document.body.appendChild(document.createElement('div'));
  await widget.render({ model, el });
  const root = el.firstElementChild.shadowRoot.querySelector('.eos');
  const stand_in = document.body.appendChild(document.createElement('i'));
  stand_in.id = 'explorer';
  Object.defineProperty(stand_in, 'explorer', { get: () => root.explorer });
}"""
NOTEBOOK = "<!doctype html><style>.orbit, .bar {position: absolute} section {display: none}</style>"


def test_the_widget_shows_the_same(browser):
    """Its module with a model that answers as the kernel does."""
    context, turn = explorer.Context(VIEW), work.Work()

    def answer(name, question):
        found = work.answered(context, turn, name, question.encode(), lambda: None)
        return base64.b64encode(found).decode()

    page = Page(browser.new_page(viewport=SIZE), "about:blank")
    page.tab.expose_function("answer", answer)
    page.tab.set_content(NOTEBOOK)  # whose styles are its own affair
    page.tab.evaluate(WIDGET, notebook.module())
    page.until("!!document.querySelector('#explorer').explorer")
    page.idle()
    expected = eos.sweep(**config.arguments(VIEW))
    np.testing.assert_array_equal(page.picture()["steps"], expected.steps.values.ravel())
    for part in (".orbit", ".bar", "section"):
        look = page.tab.locator(f".eos {part}").first.evaluate(
            "node => { const s = getComputedStyle(node); return [s.position, s.display]; }"
        )
        assert look[0] == "static" and look[1] != "none", part
    page.tab.locator("[data-part=stage]").click()  # in its middle
    page.until("!!document.querySelector('#explorer').explorer.orbit")
    lane = expected.sel(**page.look("E.S.start"))
    assert page.look("E.orbit.steps") == int(lane.steps)
    page.tab.get_by_role("button", name="Zoom in").click()
    page.idle()
    assert page.look("E.S.c.axes.x.stop") < 3.4
    page.tab.get_by_role("button", name="Back").click()
    page.idle()
    assert page.look("E.S.c.axes.x.stop") == 3.4
    assert page.troubles == []
    page.tab.close()


@pytest.mark.long
def test_a_store_of_three_dimensions(browser, tmp_path):
    """What is held is chosen by its index; the orbit is of the lane that is shown."""
    axes = {"x": np.linspace(2, 4, 20), "eta": np.geomspace(0.02, 0.4, 16), "y": [0.2, 0.3, 0.5]}
    paper = eos.objectives.scalar_product((2, 2))
    whole = eos.sweep(paper, axes, 3000, out=tmp_path / "s")
    with explorer.serve(explorer.context_of(tmp_path / "s")) as server:
        page = Page(browser.new_page(viewport=SIZE), server.address).open()
        page.field("y, index").fill("2")
        page.field("y, index").press("Tab")
        page.idle()
        part = whole.isel(y=2)
        np.testing.assert_array_equal(page.picture()["steps"], part.steps.values.ravel())
        page.tab.mouse.click(*page.at(0.3, 0.4))
        page.until("!!document.querySelector('#explorer').explorer.orbit")
        lane = part.sel(**page.look("E.S.start"))
        assert page.look("E.orbit.orbit.y_orbit[0]") == 0.5
        assert page.look("E.orbit.steps") == int(lane.steps)
        assert page.troubles == []
        page.tab.close()


@pytest.mark.long
def test_how_long_a_zoom_takes(browser, record_property):
    """Medians of twenty zooms of figure 7a, for the log; no limit is set on a shared machine."""
    begun = time.perf_counter()
    with explorer.serve(explorer.Context(views.DEFAULT)) as server:
        page = Page(browser.new_page(viewport=SIZE), server.address).open()
        record_property("first_whole_picture_s", round(time.perf_counter() - begun, 2))
        page.tab.mouse.move(*page.at(0.62, 0.42))
        for _ in range(20):
            page.tab.mouse.wheel(0, -250)
            page.idle()
        taken = page.look("performance.getEntriesByType('measure').map(m => [m.name, m.duration])")
        page.tab.close()
    for part in ("part 8", "part 1"):
        times = [duration for name, duration in taken[3:] if name == part]
        assert len(times) == 20
        record_property(f"{part}_ms", round(statistics.median(times)))
        print(f"{part}: median {statistics.median(times):.0f} ms of {len(times)} zooms")
