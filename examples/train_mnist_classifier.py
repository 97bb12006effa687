"""Train a classifier of handwritten digits.

For example:

    python examples/train_mnist_classifier.py
    python examples/train_mnist_classifier.py --epochs 3 --dataset mnist-sample
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("train_classifier")
