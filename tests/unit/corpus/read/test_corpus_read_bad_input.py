"""Bad input is set aside with a reason that a person understands; it is never fatal and nothing leaves the archive."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from book_files import BOMB, FORMATS, as_docx, as_epub, as_pdf, as_zip, encrypted_zip, pdf, read
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.read import Unreadable, read_book
from novelray.recipe.read import ReadSection

STORY = ("却说那人推开门来，只见院里一片月光。他说：“你来了。”众人都不言语，只听得远处有一声钟响。\n" * 20).encode()


def reason(path, section=None):
    """Why the whole file is set aside: one line for people, without the machine's words."""
    with pytest.raises(Unreadable) as error:
        read(path, section)
    said = error.value.reason
    assert said
    assert "\n" not in said
    assert "Traceback" not in said
    return said


def made(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \r\n\x0c\n", "empty"),
        ("a.txt", b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG image"),
        ("a.txt", b"\xff\xd8\xff\xe0" + bytes(100), "JPEG image"),
        ("a.txt", random.Random(2).randbytes(20_000), "binary"),
        ("a.txt", b"\x7fELF" + bytes(100), "a program"),
        ("a.md", b"a\x00b\x00c\x00 and so on, but no UTF-16", "NUL"),
        ("a.html", b"<html><body>" + b"a\x00\x00\x00b" * 90, "NUL"),
        ("a.html", b"<html><body><script>x</script></body></html>", "empty"),
        ("a.epub", b"", "empty"),
        ("a.pdf", b"<html>not found</html>", "is none"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted, or an Office document of before 2007"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office document"),
        ("a.rar", b"Rar!\x1a\x07\x00" + bytes(600), "RAR"),
        ("a.json", b"[1, 2", "damaged or cut off"),
        ("a.json", '[{"text": "第一章"}]'.encode("gb18030"), "not in UTF-8"),
        ("a.epub", as_zip({"META-INF/container.xml": b"<container/>"}), "damaged"),
        ("a.docx", as_zip({"word/document.xml": b"<document"}), "no valid XML"),
        ("a.pdf", pdf([[]]), "no text"),
    ],
)  # fmt: skip
def test_what_is_no_book_is_set_aside_with_its_reason(tmp_path, name, data, why):
    assert why in reason(made(tmp_path, name, data))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["epub", "docx", "pdf", "parquet", "zip", "gz"])
def test_a_file_that_was_cut_off_is_set_aside(tmp_path, kind, share):
    make = {**FORMATS, "zip": lambda: as_zip({"a.txt": STORY}), "gz": lambda: gzip.compress(STORY * 99)}[kind]
    data = make()
    said = reason(made(tmp_path, f"a.txt.{kind}" if kind == "gz" else f"a.{kind}", data[: int(share * len(data))]))
    assert "cut off" in said or "damaged" in said


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_is_read_or_set_aside_but_never_stops_the_stage(tmp_path, kind):
    data, chance = FORMATS[kind](), random.Random(5)
    for trial in range(25):
        broken = bytearray(data)
        for _ in range(1 + trial):
            broken[chance.randrange(len(data))] = chance.randrange(256)
        with contextlib.suppress(Unreadable):
            for book in read(made(tmp_path, f"a.{kind}", bytes(broken))):
                assert book.problem or book.chars == len(book.text) + sum(book.removed.values())


def test_a_pdf_cut_off_in_its_last_revision_is_set_aside(tmp_path):
    revision = b"9 0 obj\n<</Length 9000>>stream\n" + b"BT (changed) Tj ET\n" * 400
    assert "cut off" in reason(made(tmp_path, "a.pdf", as_pdf() + revision))


def test_an_encrypted_pdf_is_set_aside(tmp_path):
    import pypdfium2

    data = pdf([[(60, 700, 10, "secret")]], password=b"moth")
    pypdfium2.PdfDocument(data, password="moth").close()  # so it is a real one
    assert "needs a password" in reason(made(tmp_path, "a.pdf", data))


def test_an_encrypted_member_is_set_aside_and_its_neighbours_are_read(tmp_path):
    data = encrypted_zip("a.txt", STORY, b"moth")
    assert zipfile.ZipFile(io.BytesIO(data)).read("a.txt", b"moth") == STORY  # so it is a real one
    [book] = read(made(tmp_path, "a.zip", data))
    assert (book.member, book.problem) == ("a.txt", "the archive's member is encrypted")
    path = made(tmp_path, "b.zip", as_zip({"a.txt": STORY, "bad.txt": bytes(range(256)) * 9, "c.txt": STORY}))
    assert [bool(b.problem) for b in read(path)] == [False, True, False]


def test_a_book_behind_drm_is_set_aside(tmp_path):
    lock = (
        b"<encryption xmlns:e='x'><e:EncryptedData><e:EncryptionMethod Algorithm='http://www.w3.org/2001/04/xmlenc#aes128"
        b"-cbc'/></e:EncryptedData></encryption>"
    )
    assert "DRM" in reason(made(tmp_path, "a.epub", as_epub(extra={"META-INF/encryption.xml": lock})))


SMALL = ReadSection(max_unpacked_mb=1)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt.gz", gzip.compress(STORY * 2_000)),
        ("a.jsonl.gz", gzip.compress(b'{"text": "%s"}\n' % (b"word " * 2_000) * 400)),
        ("a.epub", as_epub(extra={"OEBPS/c0.xhtml": b"<p>" + b"word " * 400_000})),
        ("a.docx", as_zip({"word/document.xml": b"<document>" + b"<p/>" * 400_000 + b"</document>"})),
    ],
)  # fmt: skip
def test_a_bomb_in_any_container_is_set_aside_with_the_settings_name(tmp_path, name, data):
    assert "corpus.read.max_unpacked_mb" in reason(made(tmp_path, name, data), SMALL)


def test_a_zip_bomb_is_set_aside_with_its_reason_and_every_member_is_counted(tmp_path):
    path = made(tmp_path, "a.zip", as_zip({"a.txt": STORY, "b.txt": STORY * 2_000, "c.txt": STORY}))
    books = read(path, SMALL)
    assert [(b.member, "corpus.read.max_unpacked_mb" in b.problem) for b in books] == [
        ("a.txt", False), ("b.txt", True), ("c.txt", True)
    ]  # fmt: skip


def test_a_bomb_below_the_limit_is_known_by_its_ratio(tmp_path):
    [book] = read(made(tmp_path, "a.zip", as_zip({"a.txt": b"a" * 25_000_000})))
    assert "200 times its size: a bomb" in book.problem


def test_a_bomb_of_archives_inside_archives_is_not_opened(tmp_path):
    inner = as_zip({f"{i}.txt": bytes(100_000) for i in range(10)})
    outer = as_zip({"inner.zip": inner, "hidden.txt": inner, "more.gz": gzip.compress(inner)})
    assert [b.problem for b in read(made(tmp_path, "a.zip", outer))] == [
        "an archive inside an archive is not opened: unpack it"
    ] * 3


@pytest.mark.parametrize("claimed", [10, 0x7FFFFFFF])
def test_an_archive_that_lies_about_its_sizes_is_not_believed(tmp_path, claimed):
    data = bytearray(as_zip({"a.txt": STORY * 2_000}))
    central = data.rindex(b"PK\x01\x02")
    for place in (22, central + 24):
        data[place : place + 4] = struct.pack("<L", claimed)
    [book] = read(made(tmp_path, "a.zip", bytes(data)), SMALL)
    assert "damaged" in book.problem or "max_unpacked_mb" in book.problem
    assert book.text == ""


@pytest.mark.parametrize(
    "name",
    ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "C:\\out.txt", "c:out.txt", "..\\out.txt", "\\\\host\\out.txt"],
)
def test_names_that_lead_out_of_the_archive_are_set_aside_and_nothing_is_written(tmp_path, monkeypatch, name):
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = made(folder, "a.zip", as_zip({name: STORY, "good.txt": STORY}))
    before = sorted(tmp_path.rglob("*"))
    bad, good = read(path)
    assert bad.problem == "the member's name leads out of the archive"
    assert good.text
    assert sorted(tmp_path.rglob("*")) == before
    assert not os.path.exists("/tmp/out.txt")


def test_a_symbolic_link_in_an_archive_is_not_followed(tmp_path):
    link = zipfile.ZipInfo("a.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    [book] = read(made(tmp_path, "a.zip", file.getvalue()))
    assert "symbolic link" in book.problem


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_second_member_of_a_name_is_set_aside(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", STORY)
        archive.writestr("a.txt", STORY * 2)
    first, second = read(made(tmp_path, "a.zip", file.getvalue()))
    assert first.text
    assert second.problem == "a second member of this name"


def test_names_in_gbk_are_read(tmp_path):
    data = as_zip({"aaaa.txt": STORY}).replace(b"aaaa.txt", "红楼".encode("gbk") + b".txt")
    assert read(made(tmp_path, "a.zip", data))[0].member == "红楼.txt"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.epub", as_epub(opf_head=BOMB)),
        ("a.epub", as_epub(extra={"META-INF/container.xml": f"{BOMB}<container>&a9;</container>".encode()})),
        ("a.docx", as_zip({"word/document.xml": f"{BOMB}<w:p><w:t>&a9;</w:t></w:p>".encode()})),
        ("a.epub", as_epub(opf_head="<!DOCTYPE p [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>")),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entity_bombs_and_outside_entities_in_xml_are_refused(tmp_path, name, data):
    assert "declares XML entities" in reason(made(tmp_path, name, data))


def test_entity_bombs_in_html_stay_a_few_words(tmp_path):
    text = read(made(tmp_path, "a.html", f"{BOMB}<html><body><p>One &a9; two.</p></body></html>".encode()))[0].text
    assert "One &a9; two." in text
    assert len(text) < 2_000


def test_yaml_bombs_in_a_books_head_are_harmless(tmp_path):
    nested = "\n".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 20) if i else 'ha'}]" for i in range(12))
    path = made(tmp_path, "a.md", f"---\n{nested}\ntitle: *k11\n---\nOnce upon a time.".encode())
    assert read(path)[0].text == "Once upon a time."


def test_html_that_nests_without_end_is_set_aside(tmp_path):
    assert "inside each other" in reason(made(tmp_path, "a.html", b"<html>" + b"<div>" * 300_000))


PEAK = """
import resource, sys
from pathlib import Path
from book_files import as_html, read
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
folder = Path(sys.argv[1])
(folder / "small.html").write_bytes(as_html())
read(folder / "small.html")  # everything is imported
before = peak()
print(*(len(read(folder / f"a.{kind}")[0].text) for kind in ("txt", "jsonl", "md", "html")), peak() - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_one_line_of_many_megabytes_is_read_within_a_few_times_its_size(tmp_path):
    size, line = 20_000_000, b"The door stood open, and nobody had said a word about it since noon. "
    for kind in ("txt", "jsonl", "md", "html"):
        head, tail = {"html": (b"<html><p>", b""), "jsonl": (b'{"text": "', b'"}')}.get(kind, (b"", b""))
        made(tmp_path, f"a.{kind}", head + line * (size // len(line)) + tail)
    command = [sys.executable, "-c", PEAK, str(tmp_path)]  # a process of its own: a peak is never forgotten
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    *read_chars, peak = map(int, done.stdout.split())
    assert min(read_chars) > 0.99 * size
    assert peak < 8 * size


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["<script>", "<!-- ", "[Illustration: ", "![a](", "a\f", "- 1 -\n", "www.a ", "求月票", "<a href='#1'>[1]"]
)
@pytest.mark.parametrize("kind", ["txt", "md", "html"])
def test_signs_repeated_without_end_take_time_in_proportion(tmp_path, kind, unit):
    path = made(tmp_path, f"a.{kind}", (unit * (200_000 // len(unit)) + " end of the text.").encode())
    with contextlib.suppress(Unreadable):  # where it was all advertising, comments or scripts
        assert read(path)[0].chars > 0


def test_a_file_without_permission_is_set_aside(tmp_path):
    path = made(tmp_path, "a.txt", STORY)
    path.chmod(0)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
        assert reason(path) == "no permission to read the file"
    finally:
        if is_root:
            os.seteuid(0)


def test_links_to_nothing_circles_pipes_and_folders_are_set_aside(tmp_path):
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    (tmp_path / "round.txt").symlink_to(tmp_path / "round.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    assert "broken link" in reason(tmp_path / "gone.txt")
    assert "circle" in reason(tmp_path / "round.txt")
    assert reason(tmp_path / "pipe.txt") == reason(tmp_path / "folder.txt") == "it is no regular file"


def test_a_file_above_the_recipes_size_is_set_aside_before_it_is_read(tmp_path):
    path = tmp_path / "a.txt"
    with open(path, "wb") as file:
        file.truncate(3_000_000)
    assert "corpus.read.max_unpacked_mb" in reason(path, SMALL)


def test_a_bad_line_of_json_lines_is_set_aside_and_the_others_are_read(tmp_path):
    lines = [
        b'{"text": "one"}',
        b"{broken",
        b"[1, 2]",
        b'{"name": "x"}',
        '{"text": "两"}'.encode("gbk"),
        b'{"text": "two"}',
    ]
    books = read(made(tmp_path, "a.jsonl", b"\n".join(lines)))
    assert [b.text for b in books if not b.problem] == ["one", "two"]
    assert [b.problem for b in books if b.problem] == [
        "line 2 is no JSON in UTF-8", "line 3 is no object",
        "line 4 has no text; it is looked for under text, content, body", "line 5 is no JSON in UTF-8",
    ]  # fmt: skip


def test_a_member_damaged_inside_an_archive_is_set_aside_alone(tmp_path):
    data = bytearray(as_zip({"a.txt": STORY, "b.pdf": as_pdf()[:900], "c.docx": as_docx()}))
    place = data.index(b"a.txt") + 30
    data[place : place + 8] = bytes(8)
    books = read(made(tmp_path, "a.zip", bytes(data)))
    assert [bool(b.problem) for b in books] == [True, True, False]
    assert "damaged" in books[0].problem


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=400))
def test_every_character_of_any_text_is_accounted_for(text):
    try:
        book = read_book(text.encode("utf-8"), "t", "utf-8")
    except Unreadable:
        return
    assert book.chars == len(book.text) + sum(book.removed.values())


@given(st.text(alphabet="a。-—\n\f \u3000[1]_*第页www.com求月票“", max_size=300))
def test_every_character_is_accounted_for_where_all_rules_meet(text):
    try:
        book = read_book(text.encode("utf-8"), "a", "utf-8")
    except Unreadable:
        return
    assert book.chars == len(book.text) + sum(book.removed.values())


def test_a_compressed_stream_with_a_false_checksum_is_set_aside(tmp_path):
    data = bytearray(gzip.compress(STORY * 9))
    data[-8:-4] = struct.pack("<L", zlib.crc32(b"another"))
    assert "damaged" in reason(made(tmp_path, "a.txt.gz", bytes(data)))
