"""Scanned pages to lines of text with RapidOCR (the extra `novelray[ocr]`); its models come inside its package."""

from __future__ import annotations

from functools import cache
from typing import Any

from novelray.corpus.read.pages import Line
from novelray.errors import missing_package

DOTS_PER_INCH = 200
SURE = 0.5  # score below which a recognised line is not believed


def recognise(page: Any) -> list[Line]:
    """The lines of a PDF page, from top to bottom. Raises NovelRayError when the package is not installed."""
    bitmap = page.render(scale=DOTS_PER_INCH / 72)
    found = _engine()(bitmap.to_numpy())
    bitmap.close()
    if found.boxes is None:
        return []
    boxes = [
        (min(x for x, _ in box), max(x for x, _ in box), min(y for _, y in box), max(y for _, y in box), text)
        for box, text, score in zip(found.boxes.tolist(), found.txts, found.scores, strict=True)
        if score >= SURE and text.strip()
    ]
    return _in_rows(boxes)


@cache
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError:
        raise missing_package("rapidocr", "ocr") from None
    return RapidOCR(params={"Global.log_level": "error"})


def _in_rows(boxes: list[tuple[float, float, float, float, str]]) -> list[Line]:
    """Boxes of one row, from left to right, are one line. Heights differ with the words: rows get the middle one's."""
    rows: list[list[tuple[float, float, float, float, str]]] = []
    for box in sorted(boxes, key=lambda b: b[2] + b[3]):
        row = rows[-1] if rows else None
        if row and (box[2] + box[3]) / 2 < row[0][3] and (row[0][2] + row[0][3]) / 2 > box[2]:
            row.append(box)
        else:
            rows.append([box])
    heights = sorted(b[3] - b[2] for b in boxes)
    height = heights[len(heights) // 2] if heights else 0.0
    scale = 72 / DOTS_PER_INCH
    lines = []
    for row in rows:
        row.sort()
        text = " ".join(b[4].strip() for b in row)
        lines.append(Line(text, row[0][0] * scale, row[-1][1] * scale, -row[0][3] * scale, height * scale))
    return lines
