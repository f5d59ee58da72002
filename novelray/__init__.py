"""NovelRay turns a shelf of novels into a deployed writing model."""

__version__ = "0.1.0"
