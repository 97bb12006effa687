"""Train a GAN on handwritten digits and watch them appear; the same as `byhand train`.

For example:

    python examples/train_mnist_gan.py
    python examples/train_mnist_gan.py --recipe mlp-dropout --dataset fashion-mnist --epochs 10
    python examples/train_mnist_gan.py --resume runs/NAME
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("train")
