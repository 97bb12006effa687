"""Takes the picture of the lab's views and of a notebook that the README shows.

    python -m benchmarks.lab_views
    python -m benchmarks.lab_views --out lab-views.png

It starts `byhand lab` in an empty folder and uses the page in Chromium as a person would: it picks
a digit, trains on eight Gaussians for STEPS steps, and opens an update of `conv-r1r2`. Then it runs
the first exercise of a notebook with a usual mistake, and renders what the notebook says. The four
are put side by side. It needs the extras lab, notebooks and test, and Chromium.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.lab import serving
from benchmarks.notebooks import FOLDER, converted, execute
from gan.commands.shared.command_line import Parser, run
from gan.errors import RunError

OUT = Path(__file__).parents[1] / "docs" / "pictures" / "lab-views.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 960  # of the page's window
NOTEBOOK = 960, 720  # of the notebook's, so that its text is larger
SHOWN = 720  # the width of each view in the picture
GAP, BEHIND = 12, "#c9cede"
COLOURS = 200
STEPS = 500
SLOW = 300_000  # ms, for kernels to be compiled and runs to be made
BLANKS = {  # as a beginner may fill them: only the loss divides by N
    "dW = ...": "dW = x.T @ dy",
    "db = ...": "db = dy.mean(axis=0)",
    "dx = ...": "dx = dy @ W.T",
}


def play(page: Page) -> None:
    """A digit is picked and moved."""
    expect(page.locator("#grid button")).to_have_count(64, timeout=SLOW)
    page.locator("#grid button").nth(3).click()
    expect(page.locator("#nearest figure")).to_have_count(4, timeout=SLOW)
    page.locator("#pad").click(position={"x": 130, "y": 60})
    for _ in range(8):  # the first answers take longer
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(250)


def train(page: Page) -> None:
    """A GAN learns eight Gaussians."""
    page.locator("#dataset").select_option("eight-gaussians")
    page.locator("#steps").fill(str(STEPS))
    page.locator("#start").click()
    state = page.locator("#train-state")
    expect(state).to_have_attribute("data-state", "done", timeout=SLOW)


def update(page: Page) -> None:
    """A step is opened where the gradients of D's first layer are computed."""
    page.locator("#update-source").select_option("recipe:conv-r1r2")
    page.locator("#update-dataset").select_option("mnist-sample")
    page.locator("#update-steps").fill("64")
    page.locator("#update-open").click()
    page.locator("button.chapter", has_text="Back through D").click(timeout=SLOW)
    page.locator("#stations button").last.click()
    expect(page.locator("#station-title")).to_have_text("D.0 Conv2d", timeout=SLOW)
    page.wait_for_timeout(1000)


def exercise() -> str:
    """The first exercise, filled in with a mistake, and what its check says, as HTML."""
    notebook = converted(FOLDER / "05_write_the_backward.py")
    at = next(k for k, c in enumerate(notebook.cells) if "exercise" in c.metadata.get("tags", ()))
    cell = notebook.cells[at]
    for blank, filled in BLANKS.items():
        cell.source = cell.source.replace(blank, filled)
    notebook.cells = notebook.cells[: at + 2]
    execute(notebook)
    notebook.cells = notebook.cells[at:]
    from nbconvert import HTMLExporter  # of the extra "notebooks", which the tests do without

    html, _ = HTMLExporter(mathjax_url="", require_js_url="").from_notebook_node(notebook)
    return html


def view(browser: Browser, link: str, name: str, use: Callable[[Page], None]) -> Image.Image:
    """What a window shows of a view, once it has been used."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(link)
    page.goto(f"{link.partition('?')[0]}#{name}")
    expect(page.locator("#connection")).to_have_text("connected", timeout=SLOW)
    use(page)
    page.evaluate("scrollTo(0, 0)")
    return screenshot(page)


def screenshot(page: Page) -> Image.Image:
    """What the window shows."""
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def side_by_side(views: list[Image.Image]) -> Image.Image:
    """Four pictures in two rows, small."""
    size = SHOWN, SHOWN * HEIGHT // WIDTH
    whole = Image.new("RGB", (2 * SHOWN + 3 * GAP, 2 * size[1] + 3 * GAP), BEHIND)
    for k, each in enumerate(views):
        at = [GAP + part * (side + GAP) for part, side in zip((k % 2, k // 2), size)]
        whole.paste(each.resize(size, Image.Resampling.LANCZOS), (at[0], at[1]))
    return whole.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=OUT, help="write the picture to this file (default: the docs')"
    )
    args = parser.parse_args()
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise RunError("browser: expected Chromium, got none; apt-get install chromium")
    with serving() as (_, link), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        used = {"play": play, "train": train, "update": update}
        views = [view(browser, link, name, use) for name, use in used.items()]
        with TemporaryDirectory() as folder:
            file = Path(folder, "exercise.html")
            file.write_text(exercise(), encoding="utf-8")
            page = browser.new_page(viewport={"width": NOTEBOOK[0], "height": NOTEBOOK[1]})
            page.goto(file.as_uri())
            page.wait_for_timeout(500)
            views.append(screenshot(page))
        browser.close()
    side_by_side(views).save(args.out, optimize=True)
    print(f"{args.out}: {args.out.stat().st_size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    run(main)
