"""Scores of a model on the held-out chapters: `python -m jobs.evaluate RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("evaluate"))
