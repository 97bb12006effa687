"""Measure generated digits against real ones; the same as `byhand evaluate`.

For example:

    python examples/evaluate.py --weights runs/conv-r1r2-20260101-120000/weights.npz
    python examples/evaluate.py --samples images.npz
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("evaluate")
