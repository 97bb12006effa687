"""The page in a real browser, used as a person would."""

import io
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from gan.generator_file import load_sampler
from gan.lab.play import search
from gan.lab.train.layer_figures import layer_norms
from gan.lab.update import opening
from gan.recipes import RECIPES
from gan.runs.starting import prepared, training_data
from tests.gan.lab.update.steps import CONV, opened
from tests.support.lab import SHIPPED, browser_path, make_lab, make_run, serving
from tests.support.small import TINY, digits

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    runs = tmp_path_factory.mktemp("lab") / "runs"
    make_run(runs)
    with serving(make_lab(runs)) as served:
        yield served


PATIENCE = 60_000  # ms; on a busy machine, a run that starts compiles for a while
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def chromium():
    path = browser_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, served):
    """Open the page in a window of that width; no error may be on its console at the end."""
    contexts, errors = [], []

    def open_page(width=1280, scheme="light", view="play"):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda r: None if served.origin in r.url else errors.append(r.url))
        page.goto(served.link)
        if view != "play":
            page.goto(f"{served.origin}/#{view}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    errors = [text for text in errors if not text.startswith("blob:")]
    assert not errors, errors


def pixels(page, selector):
    """The grey values of a canvas."""
    return np.array(
        page.evaluate(
            "selector => { const c = document.querySelector(selector); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; return Array.from({length: d.length / 4},"
            " (_, k) => d[4 * k]); }",
            selector,
        )
    )


def assert_accessible(page):
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], [node["target"] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in SERIOUS
    ]
    assert not serious, serious


def test_a_person_plays(open_page):
    page = open_page()
    expect(page.locator("#grid button")).to_have_count(64)
    assert "token" not in page.url
    sampler = load_sampler(SHIPPED["digits"])
    images = np.rint(255 * sampler.images(sampler.inputs(64, 0)))
    assert np.array_equal(pixels(page, "#grid button:nth-child(6) canvas"), images[5].ravel())

    # the keyboard picks an image
    page.locator("#grid button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#grid button:nth-child(10)")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#answer-time")).to_have_attribute("data-ms", re.compile(r"\d"))
    expect(page.locator("#logit")).to_have_text("no D in this file")
    expect(page.locator("#named")).to_have_text(re.compile(r"^\d, [\d.]+ %$"))
    expect(page.locator("#nearest figure")).to_have_count(4)
    expect(page.locator("#nearest-note")).to_contain_text("a copy would be near 0")

    # a slider and the pad move it
    before = pixels(page, "#picked")
    page.locator("#sliders input").first.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#pad-place")).not_to_have_text("")
    place = page.locator("#pad-place").inner_text()
    page.locator("#pad").click(position={"x": 30, "y": 40})
    page.keyboard.press("ArrowUp")
    expect(page.locator("#pad-place")).not_to_have_text(place)
    page.wait_for_timeout(150)
    assert not np.array_equal(pixels(page, "#picked"), before)
    page.locator("#middle").click()
    page.wait_for_timeout(150)
    # one image alone is rounded otherwise than 64 at once
    assert np.abs(pixels(page, "#picked") - images[9].ravel()).max() <= 1

    # a walk of three images
    page.locator("#add").click()
    for k in (3, 5):
        page.locator(f"#grid button:nth-child({k})").click()
        page.locator("#add").click()
    expect(page.locator("#points li")).to_have_count(3)
    expect(page.locator("#film")).to_have_attribute("data-frame", re.compile(r"[3-9]"))
    with page.expect_download() as download:
        page.locator("#save-walk").click()
    film = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert (film.format, film.n_frames) == ("GIF", 72)
    with page.expect_download() as download:
        page.locator("#save-grid").click()
    assert Image.open(io.BytesIO(download.value.path().read_bytes())).format == "PNG"

    # a cluster is chosen
    page.locator("#classes button:nth-child(4)").click()
    expect(page.locator("#grid button:nth-child(7)")).to_have_attribute(
        "aria-label", "Image 7, cluster 2"
    )
    assert_accessible(page)


def test_a_person_draws_a_digit_and_finds_it(open_page, monkeypatch):
    monkeypatch.setattr(search, "STARTS", 6)
    monkeypatch.setattr(search, "CANDIDATES", 300)
    page = open_page(380, "dark")
    expect(page.locator("#grid button")).to_have_count(64)
    page.locator("#target").scroll_into_view_if_needed()
    box = page.locator("#target").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    assert (pixels(page, "#target") > 0).sum() > 20
    page.locator("#find").click()
    page.locator("#take-found:enabled").click()
    expect(page.locator("#named")).to_have_text(re.compile("^1, "))
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert_accessible(page)


def test_a_person_trains(open_page, served, monkeypatch):
    monkeypatch.setattr(prepared, "get_recipe", lambda name: TINY)
    images, labels = digits().reshape(-1, 1, 28, 28), np.zeros(len(digits()), np.uint8)
    monkeypatch.setattr(training_data, "load", lambda *args, **settings: (images, labels))
    page = open_page(380, "dark", "train")
    expect(page.locator("#train-state")).to_have_text("none yet")
    page.locator("#recipe").select_option("mlp-leaky")
    expect(page.locator("#recipe-hint")).to_contain_text("learning rate 0.002")
    page.locator("#dataset").select_option("mnist-sample")
    page.locator("#steps").fill("1000000")
    page.locator("#start").focus()
    page.keyboard.press("Enter")
    state = page.locator("#train-state")
    expect(state).to_have_attribute("data-state", "running")
    page.locator("#pause:enabled").click()
    expect(state).to_have_attribute("data-state", "paused")

    # what is shown is what the trainer holds
    trainer = served.lab.session.started.trainer
    step = trainer.step_count
    page.locator("#step-once").click()
    expect(page.locator("#samples")).to_have_attribute("data-step", str(step + 1))
    expect(state).to_have_attribute("data-state", "paused")
    expect(page.locator("#layers-step")).to_have_text(f"{step + 1:,}")
    norms = layer_norms(trainer.generator, trainer.optimizers["G"])
    cells = page.locator("#layers-G tr:first-child td").all_inner_texts()
    shown = [norms[0][name] for name in ("weights", "gradients", "updates")]
    assert [float(text) for text in cells[:3]] == pytest.approx(shown, rel=0.01)
    samples = np.rint(255 * trainer.fixed_samples()[0]).astype(np.uint8)
    assert np.array_equal(pixels(page, "#samples").reshape(8 * 29, -1)[:28, :28].ravel(), samples)
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    page.locator("#train-warned").evaluate("warned => { warned.hidden = false; }")
    page.locator("#train-warnings").evaluate("list => list.append(document.createElement('li'))")
    assert_accessible(page)

    # another tab, after a reload in mid-training, sees the same and goes on
    page.locator("#pause").click()
    expect(state).to_have_attribute("data-state", "running")
    other = open_page(1280, "light", "train")
    expect(other.locator("#samples")).to_have_attribute("data-step", re.compile(r"\d"))
    other.locator("#stop").click()
    for each in (page, other):
        expect(each.locator("#train-state")).to_have_attribute("data-state", "stopped")

    # the run is watched by its files
    other.locator("#runs button", has_text="tiny-2").click()
    expect(other.locator("#watched-about")).to_contain_text("images 43")
    expect(other.locator("#watched-picture")).to_have_attribute("src", re.compile("^blob:"))
    assert_accessible(other)


def number_in(text):
    """A number as the page writes it."""
    return float(text.replace("−", "-"))


def test_a_person_opens_one_update(open_page, monkeypatch):
    images, labels = digits().reshape(-1, 1, 28, 28), np.zeros(len(digits()), np.uint8)
    monkeypatch.setattr(opening, "get_recipe", lambda name: CONV)
    monkeypatch.setattr(opening, "load", lambda *args, **settings: (images, labels))
    alone, step = opened(CONV)
    page = open_page(1280, "light", "update")
    page.locator("#update-source").select_option("recipe:conv-r1r2")
    page.locator("#update-batch").fill("8")
    page.locator("#update-batch").press("Enter")
    title = page.locator("#station-title")
    expect(title).to_have_text("training images")
    expect(page.locator("#update-chapters button")).to_have_count(14)
    grey = pixels(page, ".array[data-name=x] canvas").reshape(-1, 86)[:28, :28]
    assert np.abs(grey - (step.events[0].arrays["x"][0, 0] + 1) * 127.5).max() <= 1

    # through the stations by keyboard: equation, source and numbers are those of the pass
    page.locator("button.chapter", has_text="Back through G").click()
    expect(title).to_have_text("G.5 Tanh")
    page.locator("#stations [aria-current]").focus()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    expect(title).to_have_text("G.0 Dense")
    expect(page.locator("#station-marks")).to_contain_text("nobody needs ∂L/∂x")
    expect(page.locator("#station-equations .katex-display")).to_have_count(3)
    expect(page.locator("#station-equations .idle")).to_have_count(1)  # the one of dx
    lit = page.locator("#source .lit")
    expect(lit.first).to_contain_text("# dL/dW = x^T dy")
    page.locator(".array[data-name=dW] summary").click()
    cell = page.locator(".array[data-name=dW] td button").first
    dW = next(e for e in step.events if e.of is alone.generator[0] and "dW" in e.arrays).arrays[
        "dW"
    ]
    assert number_in(cell.inner_text()) == pytest.approx(dW[0, 0], rel=1e-2)

    # a number is changed
    cell.click()
    expect(page.locator("#change-what")).to_contain_text("It belongs to W[0, 0]")
    page.keyboard.press("Enter")
    expect(page.locator("#change-result")).to_contain_text("The gradient is right: it agrees")

    # why G gets no gradient where D is certain
    page.locator("button.chapter", has_text="G’s loss").click()
    expect(title).to_have_text("G’s loss")
    norm = page.locator("#certain-result tbody tr:first-child td").nth(1)
    expect(norm).to_be_visible()
    before = number_in(norm.inner_text())
    page.locator("#certain").fill("-20")
    expect(page.locator("#certain-result")).to_contain_text("D is certain")
    assert number_in(norm.inner_text()) < 1e-6 * before

    # what the penalty changes
    page.locator("button.chapter", has_text="Penalty: its own backward").click()
    expect(title).to_have_text("D.0 Conv2d")
    page.locator("#stations li:last-child button").click()
    page.locator("#alone").click()
    slope = page.locator("#alone-table tbody tr:nth-child(3) td")
    expect(slope).to_have_count(2)
    without, held = map(number_in, slope.all_inner_texts())
    assert held < without
    assert_accessible(page)

    # another tab sees the same step, also in a narrow window
    narrow = open_page(380, "dark", "update")
    expect(narrow.locator("#station-title")).to_have_text("training images")
    narrow.locator("button.chapter", has_text="Adam moves D").click()
    expect(narrow.locator("#station-title")).to_have_text("D.0 Conv2d")
    expect(narrow.locator("#station-equations .katex-display")).to_have_count(1)
    narrow.locator(".array[data-name=W] summary").click()
    expect(narrow.locator(".array[data-name=W] td").first).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") == 380
    assert_accessible(narrow)


def test_a_run_has_a_discriminator_and_a_problem_is_shown(open_page, served):
    page = open_page()
    expect(page.locator("#grid button")).to_have_count(64)
    page.locator("#weights").select_option("runs/tiny/weights.npz")
    expect(page.locator("#logit")).to_have_text(re.compile(r"^-?[\d.]+, (real|generated)$"))
    expect(page.locator("#classes-card")).to_be_hidden()
    path = served.lab.play.listing.folder / "tiny" / "weights.npz"
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    page.locator("#draw").click()
    expect(page.locator("#problem")).to_contain_text("weights.npz")
    path.write_bytes(content)
    page.locator("#draw").click()
    expect(page.locator("#problem")).to_be_hidden()


def test_a_person_draws_points_and_sees_them_learned(open_page, served, monkeypatch):
    monkeypatch.setattr("gan.data.points.point_set.EPOCH", 4096)
    monkeypatch.setitem(RECIPES, "points", replace(RECIPES["points"], batch_size=16))
    monkeypatch.setattr("gan.runs.history.save_curves", lambda path, history: path.touch())
    page = open_page(380, "dark", "train")
    page.locator("#dataset").select_option("points you draw")
    expect(page.locator("#recipe")).to_have_value("points")
    pad = page.locator("#draw-pad")
    pad.focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Space", "ArrowUp", "Space"):
        page.keyboard.press(key)
    pad.click(position={"x": 20, "y": 30})
    expect(page.locator("#points-drawn")).to_have_text("20 points")
    page.locator("#steps").fill("1000000")
    page.locator("#start").click()
    plane, state = page.locator("#plane-map"), page.locator("#train-state")
    expect(plane).to_have_attribute("data-frames", re.compile(r"\d\d"))
    expect(state).to_contain_text("points on 20 points of points-1.csv")
    assert np.unique(pixels(page, "#plane-map")).size > 20

    # the loss and the penalty change while it goes on
    page.locator("#live-objective").select_option("minimax")
    page.locator("#live-penalty-on").uncheck()
    page.locator("#hold").check()
    expect(page.locator("#hold")).to_be_checked()
    config = served.lab.session.started.config
    end = time.monotonic() + 20
    wanted = {"objective": "minimax", "penalty": 0.0, "g_learning_rate": 1e-12}
    while not wanted.items() <= config.items():
        assert time.monotonic() < end
        page.wait_for_timeout(20)
    page.locator("#pause:enabled").click()
    expect(state).to_have_attribute("data-state", "paused")
    step = served.lab.session.started.trainer.step_count
    expect(page.locator("#plane-step")).to_have_text(f"step {step:,}")
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert_accessible(page)
    page.locator("#stop").click()
    expect(state).to_have_attribute("data-state", "stopped")

    # it goes on from its folder
    page.locator("#runs button", has_text="points").first.click()
    page.locator("#resume-steps").fill(str(step + 3))
    page.locator("#resume").click()
    expect(state).to_have_attribute("data-state", "done")
    expect(plane).to_have_attribute("data-step", str(step + 3))
