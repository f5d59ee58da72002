"""Leaves a request to cancel in storage that the one who cancels cannot reach: `python -m jobs.cancel REQUEST`."""

import sys
from pathlib import Path

from novelray.fleet.cancel import carry_out
from novelray.fleet.console import guarded

if __name__ == "__main__":
    sys.exit(guarded(lambda: carry_out(Path(sys.argv[1]))))
