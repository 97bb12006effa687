"""Name the digits in pictures; the same as `byhand classify`.

For example:

    python examples/classify.py --weights runs/NAME/classifier.npz three.png seven.jpg
"""

from gan.commands.main import run_script  # imports nothing, so that Ctrl-C ends the rest quietly

if __name__ == "__main__":
    run_script("classify")
