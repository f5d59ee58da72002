"""EPUB: the spine's documents in their order, and what the package says of the book. Read from the zip in memory."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from novelray.corpus.read.archives import Allowance, member_bytes, open_zip
from novelray.corpus.read.book_text import HEADING, Draft
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.html_text import decode_html, read_html
from novelray.corpus.read.meta import BookMeta, meta_of
from novelray.corpus.read.xml_text import local, parse_xml

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # hides fonts, not text
_TEXT_TYPES = ("application/xhtml+xml", "text/html", "application/html", "text/x-oeb1-document")
LEAST_CHAPTER = 200  # characters of a document below which the contents' name for it is not put in as its heading


def read_epub(data: bytes, limit: int) -> Draft:
    """The book of an EPUB. `limit`: most bytes it may unpack to. Raises Unreadable."""
    with open_zip(io.BytesIO(data)) as archive:
        book = _Package(archive, Allowance(limit, len(data)))
        pages = [(chars, page) for chars, page in book.pages() if page]
    text = "\n\n".join(page for _, page in pages)
    if not text:
        raise Unreadable("the EPUB has no text")
    draft = Draft(text, meta=book.meta(), encoding="utf-8", format="epub", chars=sum(chars for chars, _ in pages))
    draft.removed["markup"] = draft.chars - len(text)
    return draft


class _Package:
    """An open EPUB."""

    def __init__(self, archive: zipfile.ZipFile, allowance: Allowance) -> None:
        self.archive, self.allowance = archive, allowance
        self.names = {info.filename: info for info in archive.infolist()}
        rootfile = next((e for e in self._xml(CONTAINER).iter() if local(e) == "rootfile"), None)
        self.path = unquote(rootfile.get("full-path", "")) if rootfile is not None else ""
        self.opf = self._xml(self.path)
        self.items = {e.get("id", ""): e for e in self.opf.iter() if local(e) == "item"}
        self._refuse_drm()

    def _bytes(self, name: str) -> bytes:
        info = self.names.get(name)
        if info is None:
            raise Unreadable(f"the EPUB is damaged: it has no {name or 'package document'}"[:200])
        return member_bytes(self.archive, info, self.allowance)

    def _xml(self, name: str) -> Any:
        return parse_xml(self._bytes(name), name)

    def _refuse_drm(self) -> None:
        if ENCRYPTION not in self.names:
            return
        for element in self._xml(ENCRYPTION).iter():
            if local(element) == "EncryptedData":
                methods = [e.get("Algorithm", "") for e in element.iter() if local(e) == "EncryptionMethod"]
                if not methods or methods[0] not in _FONTS:
                    raise Unreadable("the EPUB is encrypted (DRM)")

    def meta(self) -> BookMeta:
        """Title, creator, language and the first subject of the package."""
        record: dict[str, str] = {}
        roles = {"trl": "translator", "edt": "editor"}
        refined = {
            (e.get("refines") or "").removeprefix("#"): (e.text or "").strip()
            for e in self.opf.iter()
            if local(e) == "meta" and e.get("property") == "role"
        }
        for element in self.opf.iter():
            name = local(element)
            if name in ("creator", "contributor"):
                role = next((v for k, v in element.attrib.items() if k.endswith("role")), "") or refined.get(
                    element.get("id", ""), ""
                )
                name = roles.get(role, "creator" if name == "creator" else "")
            if name in ("title", "creator", "language", "subject", "translator", "editor") and element.text:
                record.setdefault(name, element.text)
        return meta_of(record)

    def pages(self) -> Iterator[tuple[int, str]]:
        """(characters of the source, text) of each document in reading order."""
        labels = self._labels()
        for ref in (e for e in self.opf.iter() if local(e) == "itemref"):
            item = self.items.get(ref.get("idref", ""))
            if item is None or "nav" in (item.get("properties") or "").split():
                continue
            if item.get("media-type", _TEXT_TYPES[0]) not in _TEXT_TYPES:
                continue
            name = self._path(item.get("href", ""), self.path)
            html = decode_html(self._bytes(name)).text
            page = read_html(html, xhtml=True)
            yield len(html), "\n\n".join(_with_heading(page.paragraphs, labels.get(name, "")))

    def _path(self, href: str, base: str) -> str:
        """Name of a member that a document at `base` links to."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(href.partition("#")[0])))
        return path if path in self.names else href if href in self.names else path

    def _labels(self) -> dict[str, str]:
        """What the table of contents (EPUB 2's NCX) calls whole documents."""
        found: dict[str, str] = {}
        toc = next((i for i in self.items.values() if i.get("media-type") == "application/x-dtbncx+xml"), None)
        if toc is None:
            return found
        base = self._path(toc.get("href", ""), self.path)
        if base not in self.names:
            return found
        for point in (e for e in self._xml(base).iter() if local(e) == "navPoint"):
            label = next((e.text or "" for e in point.iter() if local(e) == "text"), "")
            source = next((e.get("src", "") for e in point.iter() if local(e) == "content"), "")
            if "#" not in source and label.strip():
                found.setdefault(self._path(source, base), " ".join(label.split()))
        return found


def _with_heading(paragraphs: list[str], label: str) -> list[str]:
    """A document without any heading gets the name that the contents give it."""
    if not label or not paragraphs or any(p.startswith(HEADING) for p in paragraphs):
        return paragraphs
    for i, paragraph in enumerate(paragraphs[:2]):
        if "".join(paragraph.split()) == "".join(label.split()):
            return [*paragraphs[:i], f"{HEADING}2{label}", *paragraphs[i + 1 :]]
    return [f"{HEADING}2{label}", *paragraphs] if sum(map(len, paragraphs)) >= LEAST_CHAPTER else paragraphs
