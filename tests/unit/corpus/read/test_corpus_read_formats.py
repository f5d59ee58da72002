"""The same book in every format gives the same chapters, and each format's own ways of saying things are understood."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from difflib import SequenceMatcher

import pytest
from book_files import AUTHOR, FORMATS, TITLE, as_docx, as_epub, as_zip, chapters, pdf, read

from novelray.corpus.book import Origin, chapters_of
from novelray.recipe.corpus import CorpusSection

TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "—": "-", "–": "-"})


def split(book):
    return chapters_of(book, Origin("book", "book", "0" * 64), CorpusSection(min_chapter_chars=50))[0]


def bodies(book):
    """Each chapter's paragraphs after its heading."""
    return [[line for line in c.text.split("\n") if line][1:] for c in split(book)]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_chapters_title_and_author(tmp_path, kind):
    path = tmp_path / f"lamp.{kind}"
    path.write_bytes(FORMATS[kind]())
    [book] = read(path)
    assert [[p.translate(TYPOGRAPHY) for p in body] for body in bodies(book)] == [
        [p.translate(TYPOGRAPHY) for p in body] for _, body in chapters()
    ]
    assert book.format == {"txt": "text", "md": "markdown"}.get(kind, kind)
    assert book.chars == len(book.text) + sum(book.removed.values())
    if kind != "txt":
        assert (book.meta.title, book.meta.author) == (TITLE, AUTHOR)


def test_an_archive_of_all_formats_gives_all_books(tmp_path):
    path = tmp_path / "all.zip"
    path.write_bytes(as_zip({f"folder/{kind}.{kind}": make() for kind, make in FORMATS.items()} | {"cover.jpg": b"x"}))
    books = read(path)
    assert [b.problem for b in books] == [""] * len(FORMATS)
    assert [len(split(b)) for b in books] == [3] * len(FORMATS)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in ("docx", "epub")])  # archives themselves
def test_a_compressed_file_is_what_is_in_it(tmp_path, kind):
    path = tmp_path / f"lamp.{kind}.gz"
    path.write_bytes(gzip.compress(FORMATS[kind]()))
    assert len(split(read(path)[0])) == 3


def test_what_a_file_is_counts_and_not_what_it_is_called(tmp_path):
    for kind, make in FORMATS.items():
        if kind in ("epub", "docx", "pdf", "html"):
            path = tmp_path / f"{kind}.txt"
            path.write_bytes(make())
            assert read(path)[0].format == kind


def _paragraphs(text):
    """Each paragraph's words and signs, without typography; scene breaks are left out."""
    paragraphs = re.split(r"\s*\n\s*\n\s*", text.translate(TYPOGRAPHY))
    return [(*re.findall(r"\w+|[^\w\s]", re.sub(r"-+", "-", p)), "¶") for p in paragraphs if p.strip("* ")]


def _differences(one, other):
    """How often (words of the one, words of the other) differ, chapter by chapter; first by paragraphs, then inside."""
    found = Counter()
    for a, b in zip(one, other, strict=True):
        for left, right in _changed(_paragraphs(a.text), _paragraphs(b.text)):
            found.update(
                (" ".join(x), " ".join(y))
                for x, y in _changed([w for p in left for w in p], [w for p in right for w in p])
            )
    return found


def _changed(left, right):
    codes = SequenceMatcher(None, left, right, False).get_opcodes()
    return [(left[i:j], right[k:end]) for what, i, j, k, end in codes if what != "equal"]


def _novel(novels, name):
    return split(read(novels / "en" / name)[0])


def test_pride_and_prejudice_is_the_same_61_chapters_as_text_html_and_pdf(novels):
    text, html, printed = (_novel(novels, f"pride-and-prejudice.{kind}") for kind in ("utf8.txt", "html", "pdf"))
    assert [len(text), len(html), len(printed)] == [61, 61, 61]
    assert not [c.title for c in text if re.search(r"[^\n]\n[^\n]", c.text)]  # every line broken by typing is joined
    # What is left is what the files themselves say differently, in 140,000 tokens.
    assert _differences(text, html) == {("neices", "nieces"): 1, ("", "here"): 1}
    of_pdf = _differences(text, printed)
    assert of_pdf["neices", "daughters"] == 1
    assert sum(of_pdf.values()) <= 20


@pytest.mark.parametrize(
    ("one", "other", "count", "most"),
    [
        ("war-of-the-worlds.utf8.txt", "war-of-the-worlds.epub", 27, 100),  # I. or CHAPTER ONE, sand-pits or sand pits
        ("sherlock-holmes.latin1.txt", "sherlock-holmes.html", 12, 160),  # 40 pounds or £40, half of the differences
    ],
)
def test_editions_in_two_formats_differ_only_by_their_words(novels, one, other, count, most):
    first, second = _novel(novels, one), _novel(novels, other)
    assert (len(first), len(second)) == (count, count)
    assert not second[-1].text.endswith("* * *")  # the rule before the licence is no scene's end
    found = _differences(first, second)
    assert 0 < sum(found.values()) <= most
    assert sum(n for pair, n in found.items() if "¶" in "".join(pair)) <= 10  # paragraphs begin at the same places


def test_words_broken_at_the_end_of_a_line_are_joined_as_the_book_writes_them(tmp_path):
    filler = "\n".join(["the candlestick had stood there since the last of the guests went away to"] * 20)
    broken = (
        "A candle stood in the one window that they had in the dining-\nparlour, "
        "and nobody could have said whose candle-\nstick it stood in, or for whom."
    )
    path = tmp_path / "a.txt"
    path.write_text(
        f"the dining-parlour was as cold as it had ever been since the old man went\n{filler}\n\n{broken}\n"
    )
    text = read(path)[0].text
    assert "in the dining-parlour, and nobody could have said whose candlestick it stood in" in text


def test_lines_that_end_sentences_are_paragraphs_and_stay(tmp_path):
    lines = "\n".join(f"The door stood open, and nobody had said a word about it since day {n:03}." for n in range(60))
    path = tmp_path / "a.txt"
    path.write_text(lines)
    assert read(path)[0].text == lines


def test_verse_keeps_its_lines_in_a_wrapped_book(tmp_path):
    prose = "\n\n".join(
        "\n".join(["and when they had come to the house at the end of the long lane they all"] * 6) for _ in range(9)
    )
    verse = "  The moon is late\n  The night is long\n  And nobody\n  Will hear my song"
    path = tmp_path / "a.txt"
    path.write_text(f"{prose}\n\n{verse}\n\n{prose}")
    text = read(path)[0].text
    assert verse in text
    assert "lane they all and when they" in text


def test_deleted_words_and_notes_of_a_word_document_are_left_out(tmp_path):
    data = as_docx()
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    gone = b"<w:p><w:del><w:r><w:delText>SECRET</w:delText></w:r></w:del><w:r><w:t>kept</w:t></w:r></w:p><w:sectPr"
    files["word/document.xml"] = files["word/document.xml"].replace(b"<w:sectPr", gone, 1)
    path = tmp_path / "a.docx"
    path.write_bytes(as_zip(files))
    text = read(path)[0].text
    assert text.endswith("kept")
    assert "SECRET" not in text


def test_scripts_captions_page_numbers_and_hidden_text_of_html_are_no_text(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(
        "<html><body><nav>Contents</nav><script>alert(1)</script><p>She<span class='pagenum'>12</span> came.</p>"
        "<p style='display:none'>hidden</p><hr><p>He<sup><a href='#n1'>1</a></sup> went.</p><style>p{}</style></body>"
    )
    assert read(path)[0].text == "She came.\n\n* * *\n\nHe went."


def test_the_contents_name_the_chapters_of_an_epub_without_headings(tmp_path):
    point = "<navPoint><navLabel><text>Part {0}</text></navLabel><content src='c{0}.xhtml'/></navPoint>"
    ncx = f"<ncx><navMap>{''.join(map(point.format, range(3)))}</navMap></ncx>"
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(as_epub())) as archive:
        files = {n: re.sub(rb"<h2>.*?</h2>", b"", archive.read(n)) for n in archive.namelist()}
    files["OEBPS/book.opf"] = files["OEBPS/book.opf"].replace(
        b"</manifest>", b'<item id="t" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
    )
    path = tmp_path / "a.epub"
    path.write_bytes(as_zip({**files, "OEBPS/toc.ncx": ncx.encode()}))
    assert [c.title for c in split(read(path)[0])] == ["Part 0", "Part 1", "Part 2"]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_records_of_whole_books_are_books_of_their_own(tmp_path, kind):
    import json

    records = [{"title": f"Book {i}", "author": "A", "content": f"Text {i}. " * 50} for i in range(3)]
    path = tmp_path / f"a.{kind}"
    path.write_text(json.dumps(records) if kind == "json" else "\n".join(map(json.dumps, records)))
    assert [(b.member, b.meta.title, b.text) for b in read(path)] == [
        (r["title"], r["title"], r["content"]) for r in records
    ]


def test_chapters_of_records_are_put_in_the_order_of_their_numbers(tmp_path):
    import json

    records = [{"book": "B", "chapter_index": i, "text": f"Text {i}."} for i in (2, 0, 1)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    assert re.findall(r"\d", read(path)[0].text) == ["0", "1", "2"]


def test_halves_of_characters_in_json_become_signs_that_can_be_written(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "A\\ud800", "text": "one \\udc00 two \\ud83d\\ude00"}')
    [book] = read(path)
    assert book.text == "one \ufffd two 😀"
    assert book.meta.title == "A\ufffd"


def test_the_lines_of_a_printed_page_become_paragraphs_again(tmp_path):
    page = [
        (72, 700, 10, "It was late when they came to the house, and nobody had lit"),
        (60, 684, 10, "the lamp over the door, so that they had to find the bell by"),
        (60, 668, 10, "touch. Nobody came."),
        (72, 652, 10, "They rang once more."),
    ]
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([page]))
    assert read(path)[0].text.split("\n\n") == [
        "It was late when they came to the house, and nobody had lit the lamp over the door, so that they had to find "
        "the bell by touch. Nobody came.",
        "They rang once more.",
    ]


def test_chinese_lines_of_a_fixed_width_become_paragraphs(tmp_path):
    import random

    chance = random.Random(3)
    signs = "却说那人推开门来只见院里一片月光众人都不言语听得远处有声钟响"
    paragraphs = ["　　" + "".join(chance.choices(signs, k=chance.randrange(60, 200))) + "。" for _ in range(30)]
    path = tmp_path / "a.txt"
    path.write_text(
        "\r\n".join("\r\n".join(p[i : i + 34] for i in range(0, len(p), 34)) for p in paragraphs), "gb18030"
    )
    [book] = read(path)
    assert book.text.split("\n") == paragraphs
    assert book.changes["lines_joined"] > 30
    path.write_text("\n".join(paragraphs), "utf-8")
    assert read(path)[0].text.split("\n") == paragraphs


def test_scripts_and_comments_of_markdown_are_no_text_and_unclosed_ones_stay(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("One <!-- not\nthis --> two.\n\n<SCRIPT src='x'>\nalert(1)\n</script>\n\n*Three* <!-- four.")
    assert read(path)[0].text == "One  two.\n\nThree <!-- four."
