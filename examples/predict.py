"""Draw new digits with a trained generator; the same as `byhand predict`.

For example:

    python examples/predict.py --digits 314159
    python examples/predict.py --interpolate --out walk.png
    python examples/predict.py --weights runs/NAME/weights.npz --count 256 --seed 7
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("predict")
