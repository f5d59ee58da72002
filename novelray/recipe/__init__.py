"""The recipe: its schema, its rules and how it is read."""

from novelray.recipe.load import dump_recipe, load_recipe
from novelray.recipe.schema import Recipe

__all__ = ["Recipe", "dump_recipe", "load_recipe"]
