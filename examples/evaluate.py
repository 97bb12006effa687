"""Measure generated images against real ones; the same as `byhand evaluate`.

For example:

    python examples/evaluate.py --weights runs/NAME/weights.npz
    python examples/evaluate.py --weights runs/NAME/best.npz --seed 1 --out best.json
    python examples/evaluate.py --samples images.npz
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("evaluate")
