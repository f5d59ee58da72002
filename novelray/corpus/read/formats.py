"""What kind of file it is, by its first bytes and then by its name, and the reader of each kind that is one book."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from zipfile import ZipFile

from novelray.corpus.read.book_text import Draft
from novelray.corpus.read.docx import DOCUMENT, read_docx
from novelray.corpus.read.encodings import Decoded, Unreadable, decode
from novelray.corpus.read.epub import CONTAINER, read_epub
from novelray.corpus.read.html_text import Page, decode_html, read_html
from novelray.corpus.read.markdown_text import read_markdown
from novelray.corpus.read.pdf import read_pdf
from novelray.recipe.read import ReadSection

KINDS = {
    ".txt": "text", ".text": "text", ".epub": "epub", ".pdf": "pdf", ".docx": "docx", ".html": "html",
    ".htm": "html", ".xhtml": "html", ".md": "markdown", ".markdown": "markdown", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet", ".zip": "zip", ".gz": "gzip",
}  # fmt: skip
SUFFIXES = frozenset(KINDS)
"""Endings a folder on the shelf is searched for. `.gz` is any of the texts and records, compressed."""

RECORDS = ("jsonl", "json", "parquet")
HEAD = 4096
_HTML = re.compile(rb"\s*(?:<\?xml[^<>]{0,200}>\s*)?(?:<!--[^<>]{0,500}-->\s*)?<(?:!doctype\s+html|html)[\s>]", re.I)


def kind_of(head: bytes, name: str) -> str:
    """Kind of a file from its first `HEAD` bytes and its name. A zip may still be an EPUB or a DOCX: see `zip_kind`."""
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"PAR1"):
        return "parquet"
    named = KINDS.get(PurePosixPath(name).suffix.lower(), "text")
    if named in ("pdf", "zip", "epub", "docx", "gzip", "parquet"):
        if not head.strip():
            raise Unreadable("the file is empty")
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            raise Unreadable(
                "the file is encrypted, or an Office document of before 2007: save it as DOCX without a password"
            )
        raise Unreadable(f"the file is called {PurePosixPath(name).suffix} and is none: damaged, or something else")
    if named == "text" and _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "html"
    return named


def zip_kind(archive: ZipFile) -> str:
    """Whether an archive is an EPUB, a DOCX, or holds files."""
    names = set(archive.namelist())
    return "epub" if CONTAINER in names else "docx" if DOCUMENT in names else "zip"


def read_one(data: bytes, kind: str, section: ReadSection) -> Draft:
    """The draft of a file that is one book. Raises Unreadable."""
    limit = section.max_unpacked_mb * 1_000_000
    if kind == "pdf":
        return read_pdf(data, limit, section.ocr, section.boilerplate)
    if kind == "epub":
        return read_epub(data, limit)
    if kind == "docx":
        return read_docx(data, limit)
    if kind == "html":
        decoded = decode_html(data, section.encoding)
        return _page(decoded, read_html(decoded.text), "html")
    decoded = decode(data, section.encoding)
    if kind == "markdown":
        text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
        return _page(decoded, read_markdown(text), "markdown")
    draft = _draft(decoded, decoded.text, "text")
    draft.lines = True
    return draft


def _page(decoded: Decoded, page: Page, kind: str) -> Draft:
    draft = _draft(decoded, page.text, kind)
    draft.meta, draft.lines = page.meta, page.lines
    draft.removed["markup"] = len(decoded.text) - len(page.text)
    return draft


def _draft(decoded: Decoded, text: str, kind: str) -> Draft:
    return Draft(
        text, encoding=decoded.encoding, format=kind, chars=len(decoded.text), tail_bytes=decoded.tail_bytes,
        replaced=decoded.replaced, changes=decoded.changes(),
    )  # fmt: skip
