"""Books to clean chapters, with a report: `python -m jobs.corpus RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("corpus"))
