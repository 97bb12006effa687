"""Measure the diversity of generators with Stacked MNIST.

For example:

    python examples/stacked_mnist.py                # ours and a plain DCGAN, 15 minutes each
    python examples/stacked_mnist.py --epochs 50    # the whole protocol
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("stacked_mnist")
