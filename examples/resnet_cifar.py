"""Train a residual network to classify small images, by default those of CIFAR-10.

A block is h(x) = relu(BN(W * x)), where * is a convolution with 3 x 3 pixels, and a residual
connection around two blocks is y = x + h(h(x)), with the gradient

    dL/dx = dL/dy + J^T dL/dy,    J the Jacobian of h(h(x)):

the first term reaches the early layers unchanged, however deep the network is (He et al. 2016).
With w channels in the first block, h(c) a block with c channels, and "pool" the maximum of 2 x 2
pixels, the network is

    h(w)  h(2w) pool  x + h(h(x))  h(4w) pool  h(8w) pool  x + h(h(x))  mean over pixels  Dense

Each training image is shifted by up to 4 pixels and flipped with probability 1/2. The loss is the
cross-entropy with smoothed labels; the optimizer is SGD with Nesterov's momentum and weight decay.
Its learning rate rises during a fifth of the steps, then falls to 0 on a straight line.

For example:

    python examples/resnet_cifar.py
    python examples/resnet_cifar.py --data photos --epochs 30
    python examples/resnet_cifar.py --width 16 --epochs 5 --out small
"""

import math
import sys
import time
from argparse import Namespace
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from gan.commands.shared.command_line import Parser, positive_float, positive_int, run
from gan.commands.shared.options import add_device, add_out, add_seed
from gan.commands.shared.outputs import free_folder, run_folder
from gan.data import ImageSet, cifar10, from_folder
from gan.errors import RunError
from gan.folders import new_folder
from nn import (
    SGD,
    BatchNorm,
    Conv2d,
    Dense,
    GlobalAvgPool2d,
    HeNormal,
    LinearSchedule,
    MaxPool2d,
    RandomShift,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    WarmupSchedule,
    get_ops,
    save_weights,
)
from nn.layers.base import Layer
from nn.ops.base import Array

SIDE = 32  # pixels
BATCH_SIZE, RATE, MOMENTUM, WEIGHT_DECAY, SMOOTHING = 128, 0.1, 0.9, 5e-4, 0.1
WARM_UP = 0.2  # of all steps
SHIFT = 4  # pixels
AT_ONCE = 250  # test images


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--data",
        metavar="PATH",
        help="take the images in this folder, .zip or .tar, which holds train/ and test/ with a "
        "folder for each class",
    )
    add(
        "--data-dir",
        metavar="DIR",
        help="read the archive of CIFAR-10 in this folder or download it into it "
        "(default: data/ in a checkout, else the user's cache)",
    )
    add(
        "--epochs",
        type=positive_int,
        default=10,
        metavar="N",
        help="train for N epochs (default: 10)",
    )
    add("--steps", type=positive_int, metavar="N", help="train for at most N steps")
    add(
        "--batch-size",
        type=positive_int,
        default=BATCH_SIZE,
        metavar="N",
        help=f"train on N images per step (default: {BATCH_SIZE})",
    )
    add(
        "--width",
        type=positive_int,
        default=24,
        metavar="N",
        help="give the first layer N channels (default: 24)",
    )
    add(
        "--rate",
        type=positive_float,
        default=RATE,
        metavar="R",
        help=f"let the learning rate rise to R (default: {RATE})",
    )
    add_device(parser)
    add_seed(parser, "draw weights, shifts and the order of the images from this seed")
    add_out(parser, "write the weights into this folder", "runs/resnet-TIME")
    return parser.parse_args()


def block(c_in: int, c_out: int, pool: bool = False) -> list[Layer]:
    """h(x) = relu(BN(W * x)), with a pool after the convolution that halves the image."""
    convolution = Conv2d(c_in, c_out, 3, padding=1, init=HeNormal())
    return [convolution, *([MaxPool2d(2)] if pool else []), BatchNorm(c_out), ReLU()]


def residual_network(n_classes: int, width: int = 24) -> Sequential:
    """The network described above: (N, 3, H, W) -> logits (N, n_classes)."""
    w = width
    return Sequential(
        RandomShift(SHIFT),
        *block(3, w),
        *block(w, 2 * w, pool=True),
        Residual(Sequential(*block(2 * w, 2 * w), *block(2 * w, 2 * w))),
        *block(2 * w, 4 * w, pool=True),
        *block(4 * w, 8 * w, pool=True),
        Residual(Sequential(*block(8 * w, 8 * w), *block(8 * w, 8 * w))),
        GlobalAvgPool2d(),
        Dense(8 * w, n_classes),
    )


def as_input(images: np.ndarray) -> np.ndarray:
    """uint8 0..255 -> float32 in [-1, 1]."""
    return images * np.float32(2 / 255) - np.float32(1)


def accuracy(network: Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of the images whose largest logit is that of their class."""
    ops, right = network.ops, 0
    for i in range(0, len(images), AT_ONCE):
        logits = network(ops.asarray(as_input(images[i : i + AT_ONCE])))
        right += int((ops.to_host(logits).argmax(1) == labels[i : i + AT_ONCE]).sum())
    return right / len(images)


class Trainer:
    """SGD on cross-entropy, one epoch at a time."""

    def __init__(
        self, network: Sequential, images: np.ndarray, labels: np.ndarray, args: Namespace
    ) -> None:
        self.network, self.ops, self.cache = network, network.ops, network.cache()
        self.images, self.labels, self.batch_size = images, labels, args.batch_size
        self.per_epoch = len(images) // args.batch_size
        self.steps = min(args.epochs * self.per_epoch, args.steps or sys.maxsize)
        warm_up = max(1, round(WARM_UP * self.steps))
        self.schedule = WarmupSchedule(warm_up, LinearSchedule(max(1, self.steps - warm_up)))
        self.rate, self.step = args.rate, 0
        self.loss = SoftmaxCrossEntropy(label_smoothing=SMOOTHING)
        self.optimizer = SGD(
            network, self.rate, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
        )
        self.rng = np.random.default_rng(args.seed)

    def epoch(self, on_step: Callable[[], object]) -> float:
        """Train on all images once, in a random order; return the mean loss."""
        order = self.rng.permutation(len(self.images))
        n = min(self.per_epoch, self.steps - self.step)
        losses = self.ops.zeros((n,), self.network.dtype)
        for k in range(n):
            index = np.sort(order[k * self.batch_size : (k + 1) * self.batch_size])
            x = as_input(self.images[index])
            flipped = self.rng.random(len(x)) < 0.5
            x[flipped] = x[flipped, :, :, ::-1]
            self.update(x, self.labels[index], losses[k : k + 1])
            on_step()
        return float(self.ops.to_host(losses).mean())

    def update(self, x: np.ndarray, labels: np.ndarray, value: Array) -> None:
        """One step: forward, backward, SGD."""
        logits = self.network.forward(self.ops.asarray(x), self.cache, train=True)
        # dL/dlogits = (softmax(logits) - smoothed one-hot labels) / N
        _, dlogits = self.loss(logits, self.ops.asarray(labels), self.cache, value=value)
        self.network.backward(dlogits, self.cache, need_dx=False)
        self.optimizer.learning_rate = self.rate * self.schedule(self.step)
        self.optimizer.step()
        self.step += 1


def load(args: Namespace) -> dict[str, ImageSet]:
    """The sets "train" and "test"; `RunError` unless they have the same classes."""
    if args.data is None:
        return {split: cifar10(split, data_dir=args.data_dir) for split in ("train", "test")}
    sets = {
        split: from_folder(args.data, subfolder=split, labels="folders", size=SIDE, channels=3)
        for split in ("train", "test")
    }
    names = {split: ", ".join(images.class_names or ()) for split, images in sets.items()}
    if names["train"] != names["test"]:
        raise RunError(
            f"{args.data}: expected the same classes in train/ and test/, got {names['train']} "
            f"and {names['test']}; make their folders alike"
        )
    return sets


def main() -> int:
    args = arguments()
    ops, sets = get_ops(args.device), load(args)
    images, test = sets["train"].images, sets["test"].images
    labels, test_labels = (np.asarray(each.labels) for each in sets.values())
    classes = list(sets["train"].class_names or ())
    if args.batch_size > len(images):
        raise RunError(
            f"batch size: expected 1 to {len(images):,}, the number of training images, got "
            f"{args.batch_size:,}; choose a smaller one"
        )
    out = new_folder(args.out) if args.out else free_folder(run_folder("resnet"))
    network = residual_network(len(classes), args.width).build(args.seed, device=ops)
    trainer = Trainer(network, images, labels, args)
    print(
        f"{network.n_parameters:,} parameters, {len(images):,} training and {len(test):,} test "
        f"images of {len(classes)} classes, on {ops!r}; {trainer.steps:,} steps"
    )
    with tqdm(total=trainer.steps, unit="step", disable=None) as bar:
        while trainer.step < trainer.steps:
            began, first = time.monotonic(), trainer.step
            loss = trainer.epoch(bar.update)
            seconds = time.monotonic() - began
            if not math.isfinite(loss):
                raise RunError(
                    f"step {trainer.step:,}: expected a finite loss, got {loss}; try a --rate "
                    f"below {args.rate:g}"
                )
            right = 100 * accuracy(network, test, test_labels)
            about = {"classes": classes, "image_range": (-1, 1)}
            save_weights(out / "weights.npz", {"classifier": network}, about)
            bar.write(
                f"step {trainer.step:,}: loss {loss:.4f}, {right:.2f}% of the test images right, "
                f"{(trainer.step - first) * args.batch_size / seconds:.0f} images/s"
            )
    print(f"{out / 'weights.npz'} holds the network")
    return 0


if __name__ == "__main__":
    run(main)
