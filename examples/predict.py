"""Draw new digits with a trained generator; the same as `byhand predict`.

For example:

    python examples/predict.py                   # with a generator that comes with the package
    python examples/predict.py --digits 314159   # a number
    python examples/predict.py --weights runs/mlp-dropout-20260101-120000/weights.npz
    python examples/predict.py --weights weights.npz --interpolate --out walk.png
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("predict")
