"""All stages, from the books to the endpoint: `python -m jobs.run RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("run"))
