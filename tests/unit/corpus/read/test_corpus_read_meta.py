"""What is known of a book: the recipe counts more than a side file, and a side file more than the book itself."""

from __future__ import annotations

import json

import pytest
from book_files import AUTHOR, FORMATS, TITLE, as_epub, as_text, as_zip, read

from novelray.corpus.read import BookMeta, Unreadable, side_files, side_meta
from novelray.corpus.shelf import find_books
from novelray.errors import CorpusError
from novelray.recipe.read import BookEntry


def known(location, **recipe):
    """Metadata of the one book at a location, as the corpus will have it."""
    from pathlib import Path

    [book] = find_books([BookEntry(path=str(location), **recipe)]).books
    [text] = read(Path(book.uri), meta=book.meta)
    return text.meta


def test_the_recipe_counts_more_than_a_side_file_and_that_more_than_the_book(tmp_path):
    (tmp_path / "lamp.epub").write_bytes(as_epub())
    assert known(tmp_path) == BookMeta(TITLE, AUTHOR, language="en")
    (tmp_path / "lamp.json").write_text(json.dumps({"author": "M. W.", "genre": "sea", "curated": True}))
    assert known(tmp_path) == BookMeta(TITLE, "M. W.", "sea", True, language="en")
    assert known(tmp_path, genre="mystery", curated=False) == BookMeta(TITLE, "M. W.", "mystery", False, language="en")
    assert known(tmp_path, title="Lamp", author="Other").title == "Lamp"


def test_a_books_own_side_file_counts_more_than_its_folders(tmp_path):
    (tmp_path / "lamp.txt").write_bytes(as_text())
    (tmp_path / "books.csv").write_text("file,title,author,genre\nlamp.txt,Of the folder,A,sea\nother.txt,X,Y,Z\n")
    (tmp_path / "lamp.yaml").write_text("title: Its own\n")
    assert known(tmp_path) == BookMeta("Its own", "A", "sea")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("books.csv", "文件,书名,作者,类型,精选\nlamp.txt,灯,王某,武侠,是\n"),
        ("books.yaml", "books:\n- {file: lamp.txt, title: 灯, author: 王某, genre: 武侠, curated: yes}\n"),
        ("books.json", '{"lamp.txt": {"title": "灯", "author": "王某", "genre": "武侠", "curated": 1}}'),
        (
            "metadata.jsonl",
            '{"file_name": "lamp", "title": "灯", "authors": ["王某"], "genre": "武侠", "curated": "true"}',
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_side_files_of_every_form_and_encoding_are_read(tmp_path, name, text, encoding):
    (tmp_path / "lamp.txt").write_bytes(as_text())
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert known(tmp_path) == BookMeta("灯", "王某", "武侠", True)


def test_side_files_lie_in_archives_too_and_a_broken_one_is_counted(tmp_path):
    path = tmp_path / "a.zip"
    files = {
        "sea/lamp.txt": as_text(),
        "sea/lamp.json": b'{"author": "M. W."}',
        "books.csv": b"file,genre\nlamp.txt,no\n",
    }
    path.write_bytes(as_zip({**files, "sea/metadata.jsonl": b"{broken"}))
    broken, book = read(path, meta=BookMeta(title="The archive", genre="sea"))
    assert "metadata.jsonl cannot be read" in broken.problem
    assert (book.meta.author, book.meta.genre, book.meta.title) == ("M. W.", "sea", "lamp")


@pytest.mark.parametrize(
    ("name", "data"), [("a.json", "{broken"), ("a.yaml", "a: [b"), ("books.csv", "x" * 200_000 + ",y\n1")]
)
def test_a_broken_side_file_is_named(tmp_path, name, data):
    (tmp_path / "a.txt").write_bytes(as_text())
    (tmp_path / name).write_text(data)
    with pytest.raises(CorpusError, match=name):
        find_books([str(tmp_path)])
    with pytest.raises(Unreadable, match=name):
        side_meta({name: data.encode()}, "a.txt")


def test_files_that_describe_books_are_no_books():
    names = [
        "a.txt",
        "a.json",
        "b.json",
        "c.yaml",
        "d/metadata.jsonl",
        "d/e.jsonl",
        "d/e.json",
        "f.txt.gz",
        "f.yml",
        "d/a.json",
    ]
    assert side_files(names) == {"a.json", "c.yaml", "d/metadata.jsonl", "d/e.json", "f.yml"}


def test_a_folder_of_many_books_with_one_table_is_described_in_one_pass():
    rows = "\n".join(f"{i}.txt,Book {i}" for i in range(20_000))
    table = {"books.csv": f"file,title\n{rows}\n".encode()}
    assert [side_meta(table, f"{i}.txt").title for i in range(5_000)] == [f"Book {i}" for i in range(5_000)]
    names = [f"{i}.{ending}" for i in range(20_000) for ending in ("txt", "json")]
    assert len(side_files(names)) == 20_000


@pytest.mark.parametrize(
    ("stem", "first", "title", "author"),
    [
        ("《边城》作者：沈某", "却说", "边城", "沈某"),
        ("biancheng", "《边城》（民国）沈某", "边城", "沈某"),
        ("biancheng", "书名：边城\n作者：沈某", "边城", "沈某"),
        ("biancheng", "却说", "biancheng", ""),
    ],
)
def test_a_chinese_books_name_and_first_lines_tell_its_title_and_author(tmp_path, stem, first, title, author):
    path = tmp_path / f"{stem}.txt"
    path.write_text(f"{first}\n\n第一章\n\n却说那人推开门来。\n", "utf-8")
    [book] = read(path)
    assert (book.meta.title, book.meta.author) == (title, author)


def test_gutenbergs_header_tells_the_title_before_it_is_taken_off(novels):
    [book] = read(novels / "en" / "war-of-the-worlds.utf8.txt")
    assert (book.meta.title, book.meta.author) == ("The War of the Worlds", "H. G. Wells")
    assert "Gutenberg" not in book.text


@pytest.mark.parametrize("kind", [k for k in FORMATS if k != "txt"])
def test_the_title_of_the_recipe_is_not_given_to_each_book_of_records(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(FORMATS[kind]())
    [book] = read(path, meta=BookMeta(title="Said", author="By the recipe"))
    assert book.meta.author == "By the recipe"
    assert book.meta.title == (TITLE if kind in ("jsonl", "parquet") else "Said")
