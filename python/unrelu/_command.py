"""The program ``unrelu`` of the package: an entry point into the library."""

from __future__ import annotations

import signal
import sys

from unrelu import _unrelu


def main() -> None:
    """Run the command line with the arguments of this process, and exit."""
    # The program has its own answer to Ctrl-C; a command without one ends at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_unrelu.run_command(["unrelu", *sys.argv[1:]]))
