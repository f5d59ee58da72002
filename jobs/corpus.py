"""Books to clean chapters and packed rows: `python -m jobs.corpus RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("corpus"))
