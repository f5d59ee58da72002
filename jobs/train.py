"""Rows to a trained, registered model: `python -m jobs.train RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("train"))
