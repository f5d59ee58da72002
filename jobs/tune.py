"""The search for better hyper-parameters: `python -m jobs.tune RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("tune"))
