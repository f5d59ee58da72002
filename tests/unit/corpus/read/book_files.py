"""Writes the same book in each format, and real broken ones: encrypted PDFs and zips, bombs, scans."""

from __future__ import annotations

import hashlib
import html
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence

from novelray.corpus.read import BookMeta, read_books
from novelray.recipe.read import ReadSection

TITLE, AUTHOR = "The Lamp on the Pier", "Mary Wollaton"
SENTENCES = (
    "The lamp at the end of the pier had been dark for a week before anybody thought to climb up to it.",
    "She carried the oil herself, a can in each hand, and did not speak to the men who mended their nets.",
    "“You will break your neck,” her brother said, “and nobody will see it until the morning.”",
    "What the harbour master wrote in his book that evening was never found, though many have looked for it.",
)


def chapters(count: int = 3) -> list[tuple[str, list[str]]]:
    """(heading, paragraphs) of each chapter; no two paragraphs are alike."""
    return [
        (f"Chapter {n + 1}", [f"{' '.join(SENTENCES[(n + k) % 4 :])} It was day {n * 7 + k}." for k in range(5)])
        for n in range(count)
    ]


def read(path, section: ReadSection | None = None, meta: BookMeta | None = None):
    """All books of a file."""
    return list(read_books(path, path.name, meta or BookMeta(), section or ReadSection()))


def as_text() -> bytes:
    """Wrapped at 72 columns, as typists do."""
    import textwrap

    blocks = [b for head, body in chapters() for b in [head, *(textwrap.fill(p, 72) for p in body)]]
    return f"{TITLE}\nby {AUTHOR}\n\n\n{(chr(10) * 2).join(blocks)}\n".encode()


def as_html() -> bytes:
    body = "".join(f"<h2>{head}</h2>" + "".join(f"<p>{html.escape(p)}</p>\n" for p in ps) for head, ps in chapters())
    head = f'<title>{TITLE}</title><meta name="author" content="{AUTHOR}">'
    return f"<!doctype html><html lang=en><head>{head}</head><body><h1>{TITLE}</h1>{body}</body></html>".encode()


def as_markdown() -> bytes:
    body = "\n".join(f"## {head}\n\n" + "\n\n".join(ps) + "\n" for head, ps in chapters())
    return f"---\ntitle: {TITLE}\nauthor: {AUTHOR}\n---\n\n# {TITLE}\n\n{body}".encode()


def as_docx() -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.title, document.core_properties.author = TITLE, AUTHOR
    document.add_heading(TITLE, 0)
    for head, body in chapters():
        document.add_heading(head, 1)
        for paragraph in body:
            document.add_paragraph(paragraph)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def as_epub(opf_head: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    pages = [
        f"<html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body><h2>{head}</h2>"
        + "".join(f"<p>{html.escape(p)}</p>" for p in body) + "</body></html>"
        for head, body in chapters()
    ]  # fmt: skip
    items = "".join(
        f'<item id="c{i}" href="c{i}.xhtml" media-type="application/xhtml+xml"/>' for i in range(len(pages))
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(pages)))
    opf = (
        f'{opf_head}<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        f"<dc:title>{TITLE}</dc:title><dc:creator>{AUTHOR}</dc:creator><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    files = {"mimetype": b"application/epub+zip", "META-INF/container.xml": container.encode()}
    files |= {"OEBPS/book.opf": opf.encode(), **{f"OEBPS/c{i}.xhtml": p.encode() for i, p in enumerate(pages)}}
    return as_zip({**files, **(extra or {})})


def as_pdf() -> bytes:
    """Set at 80 columns on pages of 20 lines, with a running head and a page number on each."""
    import textwrap

    lines: list[tuple[float, str]] = []
    for head, body in chapters():
        lines.append((12, head))
        for paragraph in body:
            wrapped = textwrap.wrap(paragraph, 80, break_on_hyphens=False)
            lines += [(0 if i else 12, line) for i, line in enumerate(wrapped)]
    pages = [lines[i : i + 20] for i in range(0, len(lines), 20)]
    printed = []
    for number, page in enumerate(pages, 1):
        words = [(200.0, 760.0, 10, TITLE.upper())]
        words += [(60 + indent, 730.0 - 16 * i, 10, line) for i, (indent, line) in enumerate(page)]
        printed.append([*words, (300.0, 40.0, 10, str(number))])
    return pdf(printed, info=f"/Title ({TITLE}) /Author ({AUTHOR})".encode())


def as_jsonl() -> bytes:
    import json

    lines = [
        {"book": TITLE, "author": AUTHOR, "chapter": head, "chapter_index": i, "text": "\n\n".join(body)}
        for i, (head, body) in enumerate(chapters())
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def as_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"book": TITLE, "author": AUTHOR, "chapter": head, "text": "\n\n".join(body), "cover": b"\x89PNG"}
        for head, body in chapters()
    ]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


FORMATS = {
    "txt": as_text, "html": as_html, "md": as_markdown, "docx": as_docx, "epub": as_epub, "pdf": as_pdf,
    "jsonl": as_jsonl, "parquet": as_parquet,
}  # fmt: skip


def as_zip(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def encrypted_zip(name: str, data: bytes, password: bytes) -> bytes:
    """One stored member under PKWARE's cipher, which every zip program writes."""
    table = [_crc_entry(i) for i in range(256)]
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = (keys[0] >> 8) ^ table[(keys[0] ^ byte) & 0xFF]
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = (keys[2] >> 8) ^ table[(keys[2] ^ (keys[1] >> 24)) & 0xFF]

    for byte in password:
        update(byte)
    crc, out = zlib.crc32(data), bytearray()
    for byte in bytes(11) + bytes([crc >> 24]) + data:
        key = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ ((key * (key ^ 1)) >> 8 & 0xFF))
        update(byte)
    fields = (20, 1, 0, 0, 0, crc, len(out), len(data), len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<5H3L2H", *fields) + name.encode() + bytes(out)
    central = b"PK\x01\x02" + struct.pack("<H5H3L5H2L", 20, *fields, 0, 0, 0, 0, 0) + name.encode()
    return local + central + b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(central), len(local), 0)


def _crc_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


Words = Sequence[tuple[float, float, float, str]]
"""(x, y, size, text) of each line of a page."""


def pdf(pages: Sequence[Words], info: bytes = b"", images: Sequence[bytes] = (), password: bytes = b"") -> bytes:
    """A PDF of text pages, then of pages that are one JPEG each. With a password it cannot be opened without it."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Courier"
               b"/Encoding/WinAnsiEncoding>>", b"<<" + info + b">>"]  # fmt: skip
    kids = []

    def add(data: bytes) -> int:
        objects.append(data)
        return len(objects)

    for page in pages:
        drawn = b"".join(
            b"BT /F %g Tf %g %g Td (%s) Tj ET\n" % (size, x, y, _escaped(text)) for x, y, size, text in page
        )
        content = add(b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn))
        kids.append(add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
                        b"/Resources<</Font<</F 3 0 R>>>>>>" % content))  # fmt: skip
    for jpeg in images:
        width, height = _size(jpeg)
        head = b"/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8" % (width, height)
        head += b"/Filter/DCTDecode/Length %d" % len(jpeg)
        image = add(b"<</Type/XObject%s>>stream\n%s\nendstream" % (head, jpeg))
        drawn = b"612 0 0 792 0 0 cm /I Do"
        content = add(b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn))
        kids.append(add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
                        b"/Resources<</XObject<</I %d 0 R>>>>>>" % (content, image)))  # fmt: skip
    objects[1] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (b" ".join(b"%d 0 R" % k for k in kids), len(kids))
    trailer = b"/Root 1 0 R/Info 4 0 R"
    if password:
        trailer += b"/Encrypt %d 0 R/ID[<%s><%s>]" % (add(_encryption(password)), b"00" * 16, b"00" * 16)
    return _assembled(objects, trailer)


def _assembled(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, data in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end


def _escaped(text: str) -> bytes:
    data = text.encode("cp1252")
    return data.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _size(jpeg: bytes) -> tuple[int, int]:
    from PIL import Image

    return Image.open(io.BytesIO(jpeg)).size


def _encryption(password: bytes) -> bytes:
    """The dictionary of the standard handler, revision 2 (RC4, 40 bits)."""
    pad = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
    padded = (password + pad)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    key = hashlib.md5(padded + owner + struct.pack("<i", -4) + bytes(16)).digest()[:5]
    values = owner.hex().encode(), _rc4(key, pad).hex().encode()
    return b"<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>" % values


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


BOMB = "".join(
    ["<!DOCTYPE l [<!ENTITY a0 'ha'>", *(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 10)), "]>"]
)
"""A document type whose entity &a9; is two thousand million characters."""
