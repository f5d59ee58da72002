"""`novelray init`: a folder with a recipe to edit, the sample stories, and a page on what to do with them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import novelray
from novelray.errors import NovelRayError

TEMPLATE = Path(__file__).parent / "template"


def create(folder: Path) -> None:
    """Write the starting files into a new or empty folder. Raises NovelRayError when anything is in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise NovelRayError(f"{folder} {what}; nothing was written.", "Choose a new folder.")
    try:
        _write(folder)
    except OSError as error:
        raise NovelRayError(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from None


def _write(folder: Path) -> None:
    books = folder / "books"
    books.mkdir(parents=True, exist_ok=True)
    for story in sorted((Path(novelray.__file__).parent / "samples").rglob("*.txt")):
        shutil.copyfile(story, books / story.name)
    shutil.copyfile(TEMPLATE / "README.md", folder / "README.md")
    recipe = (TEMPLATE / "recipe.yaml").read_text("utf-8")
    (folder / "recipe.yaml").write_text(recipe.replace("name: my-novel", f"name: {_slug(folder)}", 1), "utf-8")


def _slug(folder: Path) -> str:
    """The folder's name as a model name; `my-novel` where nothing of it can stay."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")[:63]
    return name or "my-novel"
