"""Folders of small images for the tests."""

import numpy as np
from PIL import Image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def flat(colour=RED, size=(40, 30), mode="RGB"):
    """An image of one colour."""
    return Image.new(mode, size, colour)


def save(path, image=None, **options):
    """Write an image, by default a red one, to a path whose folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or flat()).save(path, **options)
    return path


def folder_of(root, n=10, size=(40, 30), ending=".png"):
    """A folder of n images in colour, each of another brightness."""
    for k in range(n):
        save(root / f"{k:03}{ending}", flat((10 + k, 100, 200), size))
    return root


def classes_of(root, n=5):
    """A folder of three classes of n images each."""
    for name, colour in (("blue", BLUE), ("green", GREEN), ("red", RED)):
        for k in range(n):
            save(root / name / f"{k}.png", flat(colour))
    return root


def halves(size=(32, 32)):
    """An image whose left half is red and whose right half is blue."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2, 0] = pixels[:, size[0] // 2 :, 2] = 255
    return Image.fromarray(pixels)
