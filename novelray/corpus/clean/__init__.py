"""Normalisation and correction that are safe for Chinese and for dialogue. Every change is counted by kind."""

from novelray.corpus.clean.cleaner import clean
from novelray.corpus.clean.difference import difference
from novelray.corpus.clean.normalise import DIALOGUE_MARKS

__all__ = ["DIALOGUE_MARKS", "clean", "difference"]
