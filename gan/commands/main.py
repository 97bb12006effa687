"""The command `byhand`, and the entry point of the scripts in examples/.

Ctrl-C must end the process without a traceback even while modules are imported. So this module
arranges that first, and imports everything else, above all NumPy, inside functions.
"""

# Built in, while importing `signal` takes milliseconds; typeshed does not know it
import _signal as signal  # type: ignore[import-not-found]
import sys

COMMANDS = {
    "train": "train a GAN and watch digits appear",
    "predict": "draw new digits with a trained generator",
    "evaluate": "measure generated images against real ones",
    "classify": "name the digits in pictures",
    "train-classifier": "train a classifier of digits",
    "lab": "play with a generator and watch a run, in the browser",
    "export": "write weights for ONNX, safetensors or PyTorch",
    "import": "read weights from safetensors or PyTorch",
    "recipes": "list the recipes",
    "version": "print the version",
}
REPLACED = {  # commands of earlier versions
    "stacked-mnist": "byhand train --dataset stacked-mnist, then byhand evaluate --weights FILE",
}
DESCRIPTION = """Neural networks and GANs with every gradient written by hand.

For example:

    byhand train
    byhand predict --digits 314159
    byhand evaluate --weights runs/NAME/weights.npz
"""


def main() -> None:
    """Run a subcommand of `byhand` and exit with its status."""
    end_quietly_on_interrupt()
    from gan.commands.shared.command_line import run

    run(_subcommand)


def run_script(module: str) -> None:
    """Run a module of this package as a script and exit with its status."""
    end_quietly_on_interrupt()
    from importlib import import_module

    from gan.commands.shared.command_line import run

    run(import_module(f"gan.commands.{module}").main)


def end_quietly_on_interrupt() -> None:
    """Let Ctrl-C end the process without a traceback, unless SIGINT is ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        except ValueError:  # not in the main thread
            pass


def _subcommand() -> int:
    """Parse the name of the subcommand, and run it on the remaining arguments."""
    from importlib import import_module

    from gan.commands.shared.command_line import Parser, one_of
    from nn.version import __version__

    width = max(map(len, COMMANDS)) + 2
    parser = Parser(
        prog="byhand",
        usage="byhand COMMAND [options]",
        description=DESCRIPTION,
        epilog="commands:\n"
        + "\n".join(f"  {name:<{width}}{text}" for name, text in COMMANDS.items())
        + "\n\n`byhand COMMAND --help` lists the options of a command.\n\n",
    )
    parser.add_argument("--version", action="version", version=f"byhand {__version__}")
    parser.add_argument(
        "command", metavar="COMMAND", type=one_of(COMMANDS), help="run one of the commands below"
    )
    if sys.argv[1:2] and sys.argv[1] in REPLACED:
        parser.error(f"{sys.argv[1]} is no command any more; use {REPLACED[sys.argv[1]]}")
    command = parser.parse_args(sys.argv[1:2]).command
    sys.argv = [f"byhand {command}", *sys.argv[2:]]  # as the usage line shows it
    return import_module(f"gan.commands.{module_of(command)}").main()


def module_of(command: str) -> str:
    """The name of a command's module: train_classifier, and import_ because of the keyword."""
    from keyword import iskeyword

    return command.replace("-", "_") + "_" * iskeyword(command)
