"""Grids, GIFs and curves."""

import gc

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gan.images import (
    FRAME_MS,
    GAP,
    LAST_FRAME_MS,
    SCALE,
    grid,
    save_curves,
    save_gif,
    save_picture,
)
from nn import ShapeError

CELL = 28 + GAP


def ramps(n):
    """Images that differ: image k is k / n everywhere."""
    return np.ones((n, 28, 28), np.float32) * (np.arange(n, dtype=np.float32) / n)[:, None, None]


def tile(canvas, row, column):
    top, left = SCALE * (row * CELL + GAP), SCALE * (column * CELL + GAP)
    return canvas[top : top + SCALE * 28, left : left + SCALE * 28]


@pytest.mark.parametrize(
    "n, columns, rows_columns",
    [(64, None, (8, 8)), (5, None, (2, 3)), (1, None, (1, 1)), (24, 12, (2, 12)), (3, 5, (1, 5))],
)
def test_the_grid_has_the_size_of_its_rows_and_columns(n, columns, rows_columns):
    canvas = grid(ramps(n), columns)
    assert canvas.dtype == np.uint8
    assert canvas.shape == tuple(SCALE * (k * CELL + GAP) for k in rows_columns)


def test_images_are_placed_row_by_row():
    canvas = grid(ramps(6), 3)
    for k in range(6):
        assert np.all(tile(canvas, k // 3, k % 3) == round(255 * k / 6)), k


def test_the_gaps_between_images_are_black():
    canvas = grid(np.ones((4, 28, 28), np.float32))
    gaps = canvas[: SCALE * GAP], canvas[:, : SCALE * GAP], canvas[-1]
    assert all(gap.max() == 0 for gap in gaps)
    assert canvas.sum() == 255 * 4 * (28 * SCALE) ** 2


def test_pixels_are_rounded_clipped_and_upright():
    image = np.zeros((28, 28))
    image[0, 1], image[1, 0], image[2, 2] = 0.5, 2.0, -1.0
    got = tile(grid(image[None]), 0, 0)
    assert got.shape == (56, 56)
    assert (
        np.all(got[:2, 2:4] == 128) and np.all(got[2:4, :2] == 255) and got.sum() == 4 * (128 + 255)
    )


def test_images_of_all_three_shapes_make_the_same_grid():
    images = np.random.default_rng(0).random((5, 28, 28), dtype=np.float32)
    for shape in ((5, 784), (5, 1, 28, 28)):
        assert np.array_equal(grid(images), grid(images.reshape(shape)))


@pytest.mark.parametrize("shape", [(784,), (3, 101), (5, 2, 28, 28), (0, 28, 28), (1, 1, 1, 1, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match=r"grid: expected images \(N, H, W\)"):
        grid(np.zeros(shape))


def test_a_grid_of_colour_images_of_any_size():
    images = np.random.default_rng(0).random((5, 16, 20, 3), dtype=np.float32)
    canvas = grid(images, 3)
    assert canvas.shape == (SCALE * (2 * 18 + GAP), SCALE * (3 * 22 + GAP), 3)
    for channel in range(3):
        assert np.array_equal(canvas[..., channel], grid(images[..., channel], 3))
    assert np.array_equal(canvas, grid(images.transpose(0, 3, 1, 2), 3))


def test_save_picture_writes_a_png(tmp_path):
    canvas = grid(np.random.default_rng(0).random((6, 784)))
    save_picture(tmp_path / "a.png", canvas)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG" and np.array_equal(np.array(picture), canvas)


def test_gif_frames_are_in_order_loop_and_pause_on_the_last(tmp_path):
    canvases = [grid(ramps(4) / 4 + k / 5) for k in range(4)]
    save_gif(tmp_path / "a.gif", canvases)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.format == "GIF" and gif.n_frames == 4 and gif.info["loop"] == 0
        for frame, canvas, duration in zip(
            ImageSequence.Iterator(gif), canvases, [FRAME_MS] * 3 + [LAST_FRAME_MS], strict=True
        ):
            assert frame.info["duration"] == duration
            assert np.abs(np.array(frame.convert("L"), int) - canvas).max() <= 1


def test_gif_of_one_frame(tmp_path):
    save_gif(tmp_path / "a.gif", [grid(ramps(1))])
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 1


def test_the_curves_are_a_png_that_shows_the_losses(tmp_path):
    names = ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake")
    histories = [
        [{"step": k, **dict.fromkeys(names, value * k)} for k in (1, 2, 3)]
        for value in (0.1, 0.1, -0.2)
    ]
    drawn = []
    for i, history in enumerate(histories):
        save_curves(tmp_path / f"{i}.png", history)
        with Image.open(tmp_path / f"{i}.png") as picture:
            assert picture.format == "PNG" and picture.size == (900, 400)
            drawn.append(picture.tobytes())
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_long_curve_has_a_point_per_record_and_no_markers(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn, plot = [], Axes.plot

    def plotted(self, x, y, **how):
        drawn.append((x, y, how["marker"]))
        return plot(self, x, y, **how)

    monkeypatch.setattr(Axes, "plot", plotted)
    names = ("d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake")
    steps = tuple(range(5, 305, 5))
    save_curves(tmp_path / "a.png", [{"step": k, **dict.fromkeys(names, 2 * k)} for k in steps])
    assert drawn == [(steps, tuple(2 * k for k in steps), None)] * len(names)


def test_legend_placement_is_fixed(tmp_path, monkeypatch):
    """Matplotlib's search for the best location is slow, and warns after a second."""
    import matplotlib.legend

    monkeypatch.setattr(matplotlib.legend.Legend, "_find_best_position", None)
    record = dict.fromkeys(("step", "d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake"), 1)
    save_curves(tmp_path / "curves.png", [record, {**record, "step": 2}])


def test_no_figure_stays_in_memory(tmp_path):
    from matplotlib.figure import Figure

    def figures():
        return [held for held in gc.get_objects() if type(held) is Figure]

    record = dict.fromkeys(("step", "d_loss_real", "d_loss_fake", "g_loss", "d_real", "d_fake"), 1)
    before = figures()  # of other tests; the list keeps them, so that none can take their place
    save_curves(tmp_path / "curves.png", [record])
    assert all(any(figure is known for known in before) for figure in figures())
