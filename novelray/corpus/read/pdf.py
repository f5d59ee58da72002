"""PDF: the lines of each page with their places, put together to paragraphs; scanned pages go to OCR when asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from novelray.corpus.read.book_text import Draft
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.gutenberg import header_meta, licence_span
from novelray.corpus.read.hyphens import BROKEN, settle
from novelray.corpus.read.meta import BookMeta
from novelray.corpus.read.ocr import recognise
from novelray.corpus.read.pages import Line, paragraphs_of, without_furniture

MOST_PAGES = 20_000
SCAN_TEXT = 10  # characters below which a page that holds an image is a scanned one
SCANNED = 0.5  # share of scanned pages above which the book is a scan
_END = b"%%EOF"
_BLANKS = " \r\t\u3000\x00\x02"
_PIECE = re.compile(r"([^\n\ufffe]*)(\ufffe?)\n?")  # pdfium gives U+FFFE for a hyphen at a line's end and no line end


def read_pdf(data: bytes, limit: int, ocr: bool, boilerplate: bool) -> Draft:
    """The book of a PDF. `limit`: most characters. Raises Unreadable; NovelRayError when OCR is wanted and absent."""
    if _END not in data[-4096:]:
        raise Unreadable("the PDF is cut off: its end is missing")
    document = _open(data)
    try:
        pages, scanned = _pages(document, limit, ocr)
        meta = _meta(document)
    finally:
        document.close()
    if scanned > SCANNED * len(pages) and not ocr:
        raise Unreadable("the PDF is scanned: set corpus.read.ocr to recognise its pages (pip install 'novelray[ocr]')")
    return _draft(pages, meta, scanned, boilerplate)


def _open(data: bytes) -> Any:
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
        count = len(document)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise Unreadable("the PDF is encrypted: it needs a password") from None
        raise Unreadable("the PDF is damaged or cut off") from None
    if not 0 < count <= MOST_PAGES:
        document.close()
        raise Unreadable(f"the PDF has {count} pages; 1 to {MOST_PAGES} are read")
    return document


def _pages(document: Any, limit: int, ocr: bool) -> tuple[list[list[Line]], int]:
    """The lines of all pages, and how many pages are scanned."""
    import pypdfium2 as pdfium

    pages: list[list[Line]] = []
    scanned = chars = 0
    for i in range(len(document)):
        try:
            page = document[i]
            lines = _lines(page.get_textpage())
        except pdfium.PdfiumError:
            raise Unreadable(f"the PDF is damaged at page {i + 1}") from None
        if sum(len(line.text) for line in lines) < SCAN_TEXT and _has_image(page):
            scanned += 1
            lines = recognise(page) if ocr else lines
        chars += sum(len(line.text) for line in lines)
        if chars > limit:
            raise Unreadable(f"the PDF has more than {limit} characters (corpus.read.max_unpacked_mb)")
        pages.append(lines)
        page.close()
    return pages, scanned


def _has_image(page: Any) -> bool:
    import pypdfium2.raw as raw

    return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _lines(textpage: Any) -> list[Line]:
    """The page's lines. Places are asked for at each line's first and last character only: a call for each is slow."""
    count = textpage.count_chars()
    text = textpage.get_text_range() if count else ""
    has_places = len(text) == count
    found: list[Line] = []
    for piece in _PIECE.finditer(text):
        bare = piece[1].strip(_BLANKS)
        if bare:
            first = piece.start() + piece[1].index(bare[0])
            sign = BROKEN if piece[2] else ""
            found.append(_placed(textpage, bare, sign, first) if has_places else Line(bare + sign))
    textpage.close()
    return found


def _placed(textpage: Any, text: str, sign: str, first: int) -> Line:
    left, bottom, _, top = textpage.get_charbox(first, loose=True)
    _, _, right, _ = textpage.get_charbox(first + len(text) - 1, loose=True)
    return Line(text + sign, left, right, bottom, top - bottom)


def _meta(document: Any) -> BookMeta:
    record = document.get_metadata_dict()
    return BookMeta(
        title=" ".join(record.get("Title", "").split())[:300], author=" ".join(record.get("Author", "").split())[:300]
    )


def _draft(pages: Sequence[Sequence[Line]], meta: BookMeta, scanned: int, boilerplate: bool) -> Draft:
    draft = Draft(
        "", meta=meta, encoding="utf-8", format="pdf", chars=sum(len(line.text) + 1 for page in pages for line in page)
    )
    kept: Sequence[Sequence[Line]] = pages
    if boilerplate:
        kept, removed = without_furniture(pages)
        draft.removed.update(removed)
        kept, licence, known = _without_licence(kept)
        draft.removed["gutenberg"] += licence
        draft.meta = known.over(meta)
    paragraphs, joined = paragraphs_of(kept)
    draft.text = settle("\n\n".join(paragraphs), draft.changes)
    if not draft.text.strip():
        raise Unreadable("the PDF has no text")
    draft.changes["lines_joined"] += joined
    draft.changes["scanned_pages"] += scanned
    draft.removed["line_breaks"] = draft.chars - sum(draft.removed.values()) - len(draft.text)
    return draft


def _without_licence(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], int, BookMeta]:
    """The pages without Gutenberg's header and tail, the characters these had, and what the header says."""
    text = "\n".join(line.text for page in pages for line in page)
    start, end = licence_span(text)
    kept: list[list[Line]] = []
    place = removed = 0
    for page in pages:
        kept.append([])
        for line in page:
            if start <= place < end:
                kept[-1].append(line)
            else:
                removed += len(line.text) + 1
            place += len(line.text) + 1
    return kept, removed, header_meta(text, start)
