"""Scanned pages: read where the extra is installed; where it is not, the error says what to install."""

from __future__ import annotations

import io
import sys
import tomllib
from pathlib import Path

import pytest
from book_files import as_pdf, pdf, read

from novelray.corpus.read import Unreadable
from novelray.corpus.read.ocr import _engine
from novelray.errors import NovelRayError
from novelray.recipe.read import ReadSection

LINES = ["The lamp at the end of the pier", "had been dark for a week before", "anybody thought to climb to it."]


@pytest.fixture
def scan(tmp_path):
    """A PDF whose one page is a picture of three lines."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (1224, 1584), "white")
    for i, line in enumerate(LINES):
        ImageDraw.Draw(page).text((120, 200 + 60 * i), line, "black", ImageFont.load_default(40))
    file = io.BytesIO()
    page.save(file, "JPEG", quality=90)
    path = tmp_path / "scan.pdf"
    path.write_bytes(pdf([], images=[file.getvalue()]))
    return path


def test_a_scan_is_set_aside_with_what_to_do(scan):
    with pytest.raises(Unreadable, match=r"scanned: set corpus\.read\.ocr .*novelray\[ocr\]"):
        read(scan)


def test_without_the_package_the_error_names_the_extra_which_exists(scan, monkeypatch):
    _engine.cache_clear()
    monkeypatch.setitem(sys.modules, "rapidocr", None)  # as if it were not installed
    with pytest.raises(NovelRayError) as error:
        read(scan, ReadSection(ocr=True))
    assert 'pip install "novelray[ocr]"' in error.value.hint
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text("utf-8"))["project"]
    assert "rapidocr" in project["optional-dependencies"]["ocr"]


def test_a_pdf_with_text_needs_no_recognition(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    path = tmp_path / "a.pdf"
    path.write_bytes(as_pdf())
    assert "Chapter 1" in read(path, ReadSection(ocr=True))[0].text


@pytest.mark.slow
def test_the_words_of_a_scan_are_recognised(scan):
    pytest.importorskip("rapidocr")
    _engine.cache_clear()
    [book] = read(scan, ReadSection(ocr=True))
    assert " ".join(book.text.split()) == " ".join(LINES)
    assert book.changes["scanned_pages"] == 1
