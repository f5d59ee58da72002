"""More training of the promoted model on what is new in the books: `python -m jobs.update RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("update"))
