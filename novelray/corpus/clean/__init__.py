"""Normalisation and correction that are safe for Chinese and for dialogue. Every change is counted by kind."""

from novelray.corpus.clean.normalise import DIALOGUE_MARKS, STEPS, clean

__all__ = ["DIALOGUE_MARKS", "STEPS", "clean"]
