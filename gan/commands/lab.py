"""Play with a generator and watch a GAN learn, in the browser.

For example:

    byhand lab
    byhand lab --port 8800 --no-browser
    byhand lab --runs experiments --data photos
"""

from __future__ import annotations

import argparse
import webbrowser
from importlib.util import find_spec
from pathlib import Path

from gan.commands.shared.command_line import Parser
from gan.commands.shared.options import add_device
from gan.commands.shared.outputs import RUNS, free_folder, run_folder
from gan.commands.shared.pretrained import pretrained
from gan.errors import RunError
from nn.ops import get_ops

NEEDED = ("starlette", "uvicorn", "websockets")
ADDRESS = "127.0.0.1"  # no other machine can reach it
LAST_PORT = 65_535


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--port",
        type=port_number,
        default=0,
        metavar="N",
        help="serve the page at this port (default: a free one)",
    )
    add(
        "--no-browser",
        action="store_true",
        help="print the link without opening the browser",
    )
    add(
        "--runs",
        default=RUNS,
        metavar="DIR",
        help=f"list the runs in this folder and put new ones into it (default: {RUNS}/)",
    )
    add(
        "--data",
        action="append",
        default=[],
        metavar="PATH",
        help="also offer these images or points to train on, once for each (see byhand "
        "train --data)",
    )
    add(
        "--host",
        default=ADDRESS,
        metavar="ADDRESS",
        help=f"serve at this address of the machine (default: {ADDRESS}, "
        "which no other machine can reach)",
    )
    add_device(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    check_installed()
    from gan.lab.lab import Lab
    from gan.lab.listing import Listing
    from gan.lab.security import new_token
    from gan.lab.server import application, bound_socket, server_of

    if args.host in ("0.0.0.0", "::", ""):
        raise RunError(
            f"--host: expected one address or name of this machine, got {args.host!r}, which "
            "stands for all; name the one that browsers will use"
        )
    shipped = {
        "digits, which come with the package": pretrained(False),
        "digits by class, which come with the package": pretrained(True),
    }
    runs = Path(args.runs)
    listing = Listing(shipped, runs, [existing(path) for path in args.data])

    def new_folder(recipe: str) -> Path:
        return free_folder(runs / run_folder(recipe).name)

    lab = Lab(listing, get_ops(args.device), new_folder)
    with bound_socket(args.host, args.port) as at:
        port, token = at.getsockname()[1], new_token()
        host = f"[{args.host}]" if ":" in args.host else args.host
        link = f"http://{host}:{port}/?token={token}"

        def started() -> None:
            print(f"the lab is at\n  {link}\nCtrl-C ends it", flush=True)
            if not args.no_browser:
                webbrowser.open(link)

        server_of(application(lab, token, args.host, port, started)).run(sockets=[at])
    return 0


def existing(name: str) -> Path:
    """The path of own data; `RunError` if nothing is there."""
    path = Path(name).expanduser().absolute()
    if not path.exists():
        raise RunError(
            f"--data: expected images or points, got no file or folder {name}; check the path"
        )
    return path


def check_installed() -> None:
    """Raise `RunError` unless the extra is installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RunError(
            f"lab: expected {', '.join(NEEDED)}, got no {' and no '.join(missing)}; install them "
            "with pip install 'byhand[lab]', or pip install -e '.[lab]' in a checkout"
        )


def port_number(text: str) -> int:
    """An argparse type: a port, 1 to 65535."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"expected a port from 1 to {LAST_PORT}, got {text!r}")
    return int(text)
