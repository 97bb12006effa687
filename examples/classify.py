"""Name the digits in pictures; the same as `byhand classify`.

For example:

    python examples/classify.py three.png
    python examples/classify.py three.png seven.jpg
    python examples/classify.py --weights runs/NAME/classifier.npz three.png
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("classify")
