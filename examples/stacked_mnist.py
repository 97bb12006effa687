"""Measure the diversity of generators with Stacked MNIST; the same as `byhand stacked-mnist`.

For example:

    python examples/stacked_mnist.py
    python examples/stacked_mnist.py --recipe stacked-ours --epochs 50
    python examples/stacked_mnist.py --resume runs/NAME
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("stacked_mnist")
