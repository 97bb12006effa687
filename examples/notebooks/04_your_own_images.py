# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Your own images
#
# Any folder of pictures will do: JPEG, PNG, WebP, BMP or GIF, of any size, in folders at any depth.
# This notebook reads it, looks at what has been read, trains a convolutional GAN on it, and asks
# whether the results are new or copies.
#
# Without a folder of yours, it draws one: 2,000 coloured circles, squares and triangles.

# %% tags=["setup"]
# Installs byhand where it is missing, as on Colab.
import importlib
import importlib.metadata
import subprocess
import sys

REPOSITORY = ""  # where to install from: the address that you would clone
try:
    importlib.metadata.version("byhand")
except importlib.metadata.PackageNotFoundError:
    if not REPOSITORY:
        raise SystemExit(
            "expected byhand to be installed, it is not: write the address of its repository into "
            "REPOSITORY above, or run pip install -e '.[numba]' in a clone"
        ) from None
    source = f"byhand[numba] @ git+{REPOSITORY}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)
    importlib.invalidate_caches()

# %%
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from IPython.display import Image as Picture
from IPython.display import display
from PIL import Image, ImageDraw

from gan.data import from_folder
from gan.description import Description
from gan.evaluation.nearest import nearest_images
from gan.images import grid
from gan.recipes import get_recipe
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import save_weights

FOLDER = os.environ.get("FOLDER", "")  # yours, or a .zip or .tar of it
STEPS = int(os.environ.get("STEPS", 3000))

# %% [markdown]
# On Colab, upload a `.zip` of your folder with the button at the left, and write its name into
# `FOLDER`. It is read where it is and never unpacked.
#
# The next cell draws the pictures that stand in for yours.


# %%
def draw_shapes(folder, count):
    """Fill a folder with pictures of one coloured shape each."""
    rng = np.random.default_rng(0)
    for k in range(count):
        width, height = map(int, rng.integers(40, 61, 2))
        ground, colour = (
            tuple(map(int, rng.integers(*span, 3))) for span in ((200, 256), (0, 180))
        )
        x, y = (int(side / 2 + rng.integers(-3, 4)) for side in (width, height))
        r = int(rng.integers(9, 15))
        picture = Image.new("RGB", (width, height), ground)
        pen, box = ImageDraw.Draw(picture), (x - r, y - r, x + r, y + r)
        if k % 3 == 0:
            pen.ellipse(box, fill=colour)
        elif k % 3 == 1:
            pen.rectangle(box, fill=colour)
        else:
            pen.polygon([(x - r, y + r), (x, y - r), (x + r, y + r)], fill=colour)
        picture.save(folder / f"{k:04}.png")


WORK = Path("own_images")  # what this notebook writes
if not FOLDER:
    FOLDER = WORK / "shapes"
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw_shapes(FOLDER, 2000)

# %% [markdown]
# ## Read
#
# A network wants images of one size. `from_folder` makes them square and scales them. It says in
# one line what it did, and names the files that it could not read.

# %%
images = from_folder(FOLDER, size=32, cache_dir=WORK / "decoded")
print(images.report)
print(images.images.shape, images.images.dtype)

# %% [markdown]
# **Look at them**, as the networks will see them. Most of what goes wrong with one's own images can
# be seen here: heads cut off, frames, captions, screenshots among the photos. The arguments of
# `from_folder` help: `fit` is `"crop"`, `"pad"` or `"stretch"`, `channels` is 1 for grey or 3 for
# colour, and `size` is the number of pixels of a side.


# %%
def show(pictures, columns=None):
    """Draw pictures, (N, C, H, W) or (N, H, W, 3) in 0..1, in a grid."""
    file = io.BytesIO()
    Image.fromarray(grid(pictures, columns)).save(file, "JPEG", quality=75)
    display(Picture(file.getvalue()))


show(images.images[:48] / 255, columns=12)

# %% [markdown]
# ## Exercise 1: read them otherwise
#
# Read the same folder in grey, 28 pixels a side, and whole pictures on a white ground instead of
# cut ones.


# %% tags=["exercise"]
def read_grey(folder, cache_dir):
    """The images of a folder: grey, 28 x 28, padded with white."""
    return ...


# %%
grey = read_grey(FOLDER, WORK / "decoded")
if grey is ...:
    print("[ ] read_grey is still blank. Replace the three dots.")
elif grey.image_shape != (1, 28, 28):
    print(f"[x] expected image_shape (1, 28, 28), got {grey.image_shape}.")
else:
    padded = from_folder(
        FOLDER, size=28, channels=1, fit="pad", background="white", cache_dir=WORK / "decoded"
    )
    same = np.array_equal(grey.images, padded.images)
    print("[v] right." if same else "[x] the shape is right; look at fit= and background=.")
    show(grey.images[:12] / 255, columns=12)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def read_grey(folder, cache_dir):
#     """The images of a folder: grey, 28 x 28, padded with white."""
#     options = {"size": 28, "channels": 1, "fit": "pad", "background": "white"}
#     return from_folder(folder, cache_dir=cache_dir, **options)
# ```
#
# </details>
#
# ## The recipe
#
# A recipe is two networks and their settings. `conv-r1r2` builds its networks for the shape of your
# images: a convolutional pair, with a penalty on the slope of $D$ that keeps the game steady. Any
# setting can be replaced.

# %%
recipe = replace(get_recipe("conv-r1r2", images.image_shape), steps=STEPS)
trainer = Trainer(recipe, images, seed=0)
print(trainer.generator.summary())
print(trainer.discriminator.summary())

# %% [markdown]
# ## Train
#
# The `Trainer` runs the loop that you have seen in the other notebooks. A **callback** watches it:
# `on_record` is called after steps 1, 2, 4, 8 and so on, and then evenly. This one keeps ten
# pictures, always of the same points of the latent space. A hundred steps on the pictures above
# took 1.3 seconds on two cores of an AMD EPYC, with Numba.


# %%
class KeepPictures(Callback):
    """Keeps ten pictures of each record."""

    def __init__(self):
        self.rows = {}

    def on_record(self, trainer, record):
        samples = trainer.fixed_samples()[:10]
        self.rows[record["step"]] = samples.reshape(-1, *trainer.image_shape)
        if len(self.rows) % 10 == 0:
            print(f"step {record['step']:5}: D {record['d_loss']:.3f}, G {record['g_loss']:.3f}")


keep = KeepPictures()
trainer.fit(callbacks=[keep])
print(f"{trainer.step_count} steps")

# %% [markdown]
# Each row is made from the same ten points, from the first record to the last.

# %%
steps = list(keep.rows)
chosen = [steps[k] for k in np.linspace(0, len(steps) - 1, 5).astype(int)]
rows = np.concatenate([keep.rows[step] for step in chosen])
print("after", *chosen, "steps, from the top down")
show(rows, columns=10)

# %% [markdown]
# ## Draw
#
# 48 new images, none picked. The sampler draws from a moving average of the generator's weights,
# which is steadier than the generator of the last step.


# %%
def draw(trainer, count, seed):
    """New images, uint8 (N, C, H, W)."""
    made = trainer.sampler.images(trainer.sampler.inputs(count, seed))  # in 0..1
    made = made.transpose(0, 3, 1, 2) if made.ndim == 4 else made[:, None]
    return np.rint(255 * made).astype(np.uint8)


show(draw(trainer, 48, seed=1) / 255, columns=12)

# %% [markdown]
# In each row, one image turns into another, on a walk through the latent space.

# %%
show(trainer.sampler.walks(3, 12, seed=2), columns=12)

# %% [markdown]
# ## New, or copied?
#
# The fewer images you have, the easier it is for the networks to know them by heart. Beside each of
# eight new images (left of each pair) is the training image nearest to it. If they are all but
# equal, you need more images or a shorter training.

# %%
everything = np.arange(len(images))
made = draw(trainer, 200, seed=3)
found = nearest_images(made, images.images, everything, 1)
pairs = np.stack([made[:8], images.images[found.rows[:8, 0]]], axis=1)
show(pairs.reshape(-1, *images.image_shape) / 255, columns=16)

# %% [markdown]
# How near is near? Compare with the distance of a training image to its nearest *other* training
# image. New images much nearer than that are copies.

# %%
others = nearest_images(images.images[:200], images.images, everything, 2)
print("median distance to the nearest training image, in grey levels:")
print(f"  new images      {np.median(found.distances):.1f}")
print(f"  training images {np.median(others.distances[:, 1]):.1f}")

# %% [markdown]
# ## Exercise 2: what if there were only twenty?
#
# Train a second GAN on the first 20 images alone, for as many steps, and return its trainer. Before
# you run it: will its images be nearer to its training images, or further away?


# %% tags=["exercise"]
def train_on_twenty(recipe, images):
    """A trainer that has been trained by this recipe on the first 20 of the images."""
    return ...


# %%
second = train_on_twenty(recipe, images.images)
if second is ...:
    print("[ ] train_on_twenty is still blank. Replace the three dots.")
elif second.step_count < STEPS:
    print(f"[x] expected {STEPS} steps, got {second.step_count}: call fit().")
else:
    few = draw(second, 200, seed=3)
    near = nearest_images(few, images.images[:20], np.arange(20), 1)
    print(f"[v] trained. Median distance to its 20 images: {np.median(near.distances):.1f}")
    pairs = np.stack([few[:8], images.images[near.rows[:8, 0]]], axis=1)
    show(pairs.reshape(-1, *images.image_shape) / 255, columns=16)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def train_on_twenty(recipe, images):
#     """A trainer that has been trained by this recipe on the first 20 of the images."""
#     trainer = Trainer(recipe, images[:20], seed=0)
#     trainer.fit()
#     return trainer
# ```
#
# </details>
#
# ## Keep it
#
# `byhand predict --weights own_images/my_gan.npz` draws with this file, without the images.

# %%
description = Description(recipe.latent, recipe.image_range, image_shape=images.image_shape)
networks = {"G": trainer.generator_ema, "D": trainer.discriminator}
save_weights(WORK / "my_gan.npz", networks, description.to_info())

# %% [markdown]
# On the command line, all of this is `byhand train --data FOLDER`, with a record of the run, a GIF,
# and `--resume`. [Your own images](../../docs/own_images.md) has the details, and `byhand evaluate`
# measures how good a generator is.
#
# **Next:** [write the backward](05_write_the_backward.ipynb), and see every gradient from the
# inside.
