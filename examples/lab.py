"""Play with a generator and watch a GAN learn, in the browser; the same as `byhand lab`.

For example:

    python examples/lab.py
    python examples/lab.py --port 8800 --no-browser
    python examples/lab.py --runs experiments
"""

from gan.commands.main import run_script  # handles Ctrl-C before NumPy loads

if __name__ == "__main__":
    run_script("lab")
