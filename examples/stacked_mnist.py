"""Measure the diversity of generators with Stacked MNIST.

For example:

    python examples/stacked_mnist.py
    python examples/stacked_mnist.py --recipe stacked-ours --minutes 45
    python examples/stacked_mnist.py --epochs 50
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("stacked_mnist")
