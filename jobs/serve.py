"""The endpoint, on the cluster that the job runs on: `python -m jobs.serve RECIPE`."""

import sys

from jobs._main import main

if __name__ == "__main__":
    sys.exit(main("serve"))
