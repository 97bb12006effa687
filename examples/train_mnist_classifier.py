"""Train a classifier of handwritten digits; the same as `byhand train-classifier`.

For example:

    python examples/train_mnist_classifier.py
    python examples/train_mnist_classifier.py --dataset mnist-sample --epochs 3
    python examples/train_mnist_classifier.py --resume runs/NAME
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("train_classifier")
