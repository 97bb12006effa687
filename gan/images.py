"""Pictures: grids of digits, their film, and curves of the losses."""

import gc
import io
import math

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np
from PIL import Image

from nn import ShapeError
from nn.serialization.files import atomic_write

GAP = 2  # pixels between two digits
SCALE = 2  # screen pixels to an image's pixel
FRAME_MS, LAST_FRAME_MS = 120, 2000
LONGEST_FILM = 300  # frames, and the last


def grid(images, columns=None):
    """Lay images out in rows: (N, 28, 28), (N, 1, 28, 28) or (N, 784), floats in [0, 1] -> uint8 (H, W)."""
    images = np.asarray(images)
    if images.ndim < 2 or images[0].size != 784:
        raise ShapeError(f"grid: expected images of 28 x 28, got shape {images.shape}")
    images = images.reshape(-1, 28, 28)
    columns = columns or math.ceil(len(images) ** 0.5)
    rows = -(-len(images) // columns)
    cell = 28 + GAP
    sheet = np.zeros((rows * cell + GAP, columns * cell + GAP), np.uint8)
    for k, image in enumerate(images):
        top, left = (k // columns) * cell + GAP, (k % columns) * cell + GAP
        sheet[top : top + 28, left : left + 28] = np.rint(255 * np.clip(image, 0, 1))
    return sheet.repeat(SCALE, 0).repeat(SCALE, 1)


def save_picture(path, sheet):
    """Write a uint8 (H, W) array as a PNG."""
    with atomic_write(path) as file:
        Image.fromarray(sheet).save(file, "PNG", compress_level=3)  # 4 ms for 64 digits, where 6 takes 11 to save a tenth


def film_epochs(n_epochs):
    """Which epochs the film of a training has a frame of: all, or of many every second, fourth, ...; and always the last.

    A film that is one epoch longer has no others but that one: a frame that is left out is never wanted again.
    """
    every = 1
    while n_epochs > LONGEST_FILM * every:
        every *= 2
    return [*range(1, n_epochs, every), n_epochs] if n_epochs else []


def save_film(path, sheets):
    """Write uint8 (H, W) arrays as the frames of a GIF that runs in a loop and rests on its last frame."""
    frames = [Image.fromarray(sheet) for sheet in sheets]
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    with atomic_write(path) as file:
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)


def save_curves(path, history):
    """Plot each epoch's losses, D's mean outputs, and FID where it was measured, from a list of records; as a PNG."""
    drawn = _curves(history)
    gc.collect()  # a figure refers to itself: some twenty of them, 35 MiB, lie about until Python looks for such circles
    with atomic_write(path) as file:
        file.write(drawn)


def _curves(history):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # here, since it takes half a second: nobody waits for it to see digits

    marker = "o" if len(history) < 20 else None
    panels = (
        ("loss", {"d_loss_real": "D on real", "d_loss_fake": "D on generated", "g_loss": "G"}),
        ("D's mean output (a probability)", {"d_real": "on real", "d_fake": "on generated"}),
    )
    if any(record.get("fid") for record in history):
        panels += (("FID", {"fid": "of the generated images"}),)
    figure = Figure(figsize=(4.5 * len(panels), 4), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(panels)), panels):
        for column, label in columns.items():
            points = [(record["epoch"], record[column]) for record in history if record[column] is not None]
            axes.plot(*zip(*points), label=label, marker=marker)
        axes.set(xlabel="epoch", title=title)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")  # to look for the best place takes long, and Matplotlib then warns
    drawn = io.BytesIO()
    FigureCanvasAgg(figure).print_png(drawn)
    return drawn.getvalue()
