"""NovelRay turns a shelf of novels into a deployed writing model."""

import os

__version__ = "0.1.0"

# MKL rounds by where its operands lie in memory unless told otherwise, and reads this once, at its first product: an
# answer has to be the same bits each time (generate/steady.py). On AVX2 it is also the faster of the two.
os.environ.setdefault("MKL_CBWR", "AUTO")
