"""A generator and a discriminator as ONNX models that take and return images in [0, 1]."""

from __future__ import annotations

import json
import math
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.image_shapes import ImageShape
from gan.description import Description
from gan.sampling import Sampler
from nn import Sequential, WeightsError
from nn.serialization.onnx.graph import Graph

DENSITIES = {"normal": "N(0, 1)", "uniform": "U(-1, 1)"}


def generator_model(sampler: Sampler) -> Any:
    """The ONNX model of a generator with all that drawing needs.

    Its inputs are "z", the noise (N, size), and for a generator with classes or clusters also
    "class", their numbers, int64 (N,); see `gan.condition`. Its output is "images", (N, C, H, W)
    in [0, 1]. The noise's distribution, the image shape and the classes are JSON in the metadata
    "byhand".

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    MissingLibraryError
        If the library onnx is not installed.
    """
    graph, G = Graph("generator"), sampler.generator
    latent, (low, high) = sampler.latent, sampler.image_range
    noise = f"noise, each element from {DENSITIES[latent.distribution]}"
    x = graph.input("z", (latent.size,), noise)
    if sampler.condition.num_classes:
        x = graph.node("Concat", x, _class_onehot(graph, sampler), axis=1)
    y = graph.layer(G, x, (sampler.n_in,))
    y = graph.node("Sub", y, graph.constant(np.float32(low)))
    y = graph.node("Div", y, graph.constant(np.float32(high - low)))
    y = graph.node("Clip", y, graph.constant(np.float32(0)), graph.constant(np.float32(1)))
    shape, made = sampler.made_shape, G.output_shape((sampler.n_in,))
    if made != shape:
        y = graph.node("Reshape", y, graph.constant([0, *shape]))
    graph.output("images", y, shape, "images in [0, 1]")
    return graph.model("a generator of images", _metadata(sampler))


def discriminator_model(discriminator: Sequential, sampler: Sampler) -> Any:
    """The ONNX model of the discriminator that was trained with a generator.

    Its inputs are "images", (N, C, H, W) in [0, 1], and with classes or clusters also "class",
    their numbers, int64 (N,). Its output is "score", (N, 1): the logit of the class, or the
    probability if D ends in a sigmoid. A D that scores several images at once takes them stacked as
    channels.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    MissingLibraryError
        If the library onnx is not installed.
    WeightsError
        If it does not take images of the generator, or return a score for each class.
    """
    graph, (low, high) = Graph("discriminator"), sampler.image_range
    made = sampler.made_shape
    taken = discriminator.input_shape or made
    shape = _stacked(taken, made)
    n_out = sampler.condition.size or 1
    if shape is None or discriminator.output_shape(taken) != (n_out,):
        raise WeightsError(
            f"D: expected a discriminator of images {made} with "
            f"{n_out} outputs, got one of {taken} with {discriminator.output_shape(taken)}; export "
            "it without its generator"
        )
    x = graph.input("images", shape, "images in [0, 1]")
    if (low, high) != (0, 1):
        x = graph.node("Mul", x, graph.constant(np.float32(high - low)))
        x = graph.node("Add", x, graph.constant(np.float32(low)))
    if taken != shape:
        x = graph.node("Reshape", x, graph.constant([0, *taken]))
    y = graph.layer(discriminator, x, taken)
    if sampler.condition.num_classes:  # sum_k onehot_k D_k
        selected = graph.node("Mul", y, _class_onehot(graph, sampler))
        y = graph.node("ReduceSum", selected, graph.constant([1]), keepdims=1)
    graph.output("score", y, (1,), "the output of D for each image")
    return graph.model("a discriminator of images", _metadata(sampler))


def _class_onehot(graph: Graph, sampler: Sampler) -> str:
    """Add the input "class", and return its rows of the identity matrix."""
    n, count, per_image = (
        sampler.condition.num_classes,
        sampler.condition.count,
        sampler.clusters_per_image,
    )
    meaning = f"a class or cluster for each image, 0 to {count - 1}"
    if sampler.classes and n > sampler.classes:
        of_each = n // sampler.classes
        meaning += f"; those of class c are {of_each} c to {of_each} c + {of_each - 1}"
    classes = graph.input("class", (), meaning, "int64")
    rows = graph.constant(np.eye(n, dtype=np.float32))
    if per_image == 1:
        return graph.node("Gather", rows, classes)
    column = graph.node("Reshape", classes, graph.constant([-1, 1]))
    digits = graph.node("Div", column, graph.constant(n ** np.arange(per_image)))
    digits = graph.node("Mod", digits, graph.constant([n]))
    parts = graph.node("Gather", rows, digits)  # (N, per_image, n)
    return graph.node("Reshape", parts, graph.constant([-1, sampler.condition.size]))


def _stacked(taken: tuple[int, ...], shape: ImageShape) -> ImageShape | None:
    """The shape of the images, stacked as channels, that D takes; None if it takes others."""
    n, rest = divmod(math.prod(taken), math.prod(shape))
    stacked = (n * shape[0], *shape[1:])
    fits = n and not rest and taken in (stacked, stacked[1:], (math.prod(stacked),))
    return stacked if fits else None


def _metadata(sampler: Sampler) -> dict[str, str]:
    """What `Description` says about drawing, as JSON."""
    description = Description(
        sampler.latent,
        (0.0, 1.0),
        sampler.classes,
        sampler.class_prior,
        image_shape=sampler.made_shape,
        class_names=sampler.class_names,
        clusters_per_image=sampler.clusters_per_image,
    )
    info = description.to_info()
    drawing = (
        *("latent", "classes", "shares", "image_range"),
        *("image_shape", "class_names", "clusters_per_image"),
    )
    return {"byhand": json.dumps({name: info[name] for name in drawing})}
