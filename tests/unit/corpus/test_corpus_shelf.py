"""What the shelf promises: files, folders, globs, object storage; names never collide; errors name the path."""

from __future__ import annotations

import os

import pytest

from novelray.corpus.shelf import fetch, find_books
from novelray.errors import CorpusError, StorageError
from novelray.recipe.read import BookEntry
from novelray.storage import Store


@pytest.fixture
def shelf(tmp_path):
    for name, text in {
        "a.txt": "one",
        "b.TXT": "two",
        "c.rst": "three",
        "sub/d.txt": "four",
        ".hidden.txt": "x",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def _names(*locations):
    return [b.name for b in find_books([str(x) for x in locations]).books]


def test_a_folder_is_its_books_a_file_is_itself_and_globs_go_deep(shelf):
    assert _names(shelf) == ["a", "b"]
    assert _names(shelf / "c.rst") == ["c"]
    assert _names(shelf / "*.txt") == ["a"]
    assert _names(shelf / "**" / "*.txt") == ["a", "d"]


def test_a_book_named_twice_is_on_the_shelf_once(shelf):
    assert _names(shelf, shelf / "a.txt", shelf / "*.txt") == ["a", "b"]


def test_order_and_place_of_the_locations_do_not_matter(shelf, tmp_path):
    books = find_books([str(shelf / "sub"), str(shelf)]).books
    assert [(b.name, b.digest) for b in books] == [
        (b.name, b.digest) for b in find_books([str(shelf), str(shelf / "sub")]).books
    ]


def test_two_books_with_one_stem_get_two_names(shelf):
    (shelf / "sub" / "a.txt").write_text("another book")
    (shelf / "a.md").write_text("a third")
    names = _names(shelf / "a.txt", shelf / "a.md", shelf / "sub" / "a.txt")
    assert len(set(names)) == 3
    assert f"a~{(shelf / 'sub').name}" in names
    assert all(name.startswith("a~") for name in names)


def test_the_same_bytes_under_two_names_are_one_book(shelf):
    (shelf / "copy.txt").write_text("one")
    found = find_books([str(shelf)])
    assert [b.name for b in found.books] == ["a", "b"]
    assert found.same == {"copy": "a"}


@pytest.mark.parametrize("location", ["nowhere", "nowhere/*.txt", "empty"])
def test_a_location_without_books_is_named_with_what_to_do(tmp_path, location):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=location.replace("*", "\\*")) as error:
        find_books([str(tmp_path / location)])
    assert "corpus.books" in error.value.hint


def test_no_locations_at_all_is_an_error():
    with pytest.raises(CorpusError, match=r"corpus\.books is empty"):
        find_books([])


def test_a_broken_link_is_a_problem_of_that_book_alone(shelf):
    os.symlink(shelf / "gone", shelf / "link.txt")
    problems = {b.name: b.problem for b in find_books([str(shelf)]).books}
    assert problems == {"a": "", "b": "", "link": "the file is not there (a broken link?)"}


def test_every_format_in_a_folder_is_a_book_and_what_describes_others_is_not(shelf):
    for name in ("e.epub", "f.PDF", "g.docx", "h.html", "i.jsonl", "j.parquet", "k.zip", "l.md"):
        (shelf / name).write_text(name)
    (shelf / "a.yaml").write_text("title: One")
    (shelf / "metadata.csv").write_text("file,author\nb.TXT,Ada\n")
    assert _names(shelf) == list("abefghijkl")


def test_the_recipe_says_more_of_a_book_than_a_file_beside_it(shelf):
    (shelf / "a.yaml").write_text("title: One\nauthor: Ada\ngenre: letters")
    books = find_books([BookEntry(path=str(shelf / "a.txt"), author="Bo", curated=True), str(shelf)]).books
    assert books[0].known() == {"title": "One", "author": "Bo", "genre": "letters", "curated": True}
    assert books[1].known() == {}


def test_a_side_file_that_cannot_be_read_is_named(shelf):
    (shelf / "a.yaml").write_text("title: [")
    with pytest.raises(CorpusError, match=r"a\.yaml"):
        find_books([str(shelf)])


def test_books_in_object_storage_are_found_and_read(bucket, tmp_path):
    uri, endpoint = bucket
    store = Store(uri, endpoint)
    for name in ("books/a.txt", "books/b.txt", "books/c.rst", "books/deep/d.txt"):
        store.write(name, name.encode())
    assert [b.name for b in find_books([f"{uri}/books"], endpoint).books] == ["a", "b"]
    assert [b.name for b in find_books([f"{uri}/books/*.txt"], endpoint).books] == ["a", "b"]
    assert [b.name for b in find_books([f"{uri}/books/**.txt"], endpoint).books] == ["a", "b", "d"]
    assert [b.name for b in find_books([f"{uri}/books/c.rst"], endpoint).books] == ["c"]
    book = find_books([f"{uri}/books/a.txt"], endpoint).books[0]
    assert fetch(book, tmp_path, endpoint).read_bytes() == b"books/a.txt"
    with pytest.raises(CorpusError, match="nothing"):
        find_books([f"{uri}/nothing"], endpoint)


def test_storage_that_does_not_answer_is_an_error_of_storage(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError):
        find_books(["s3://bucket/books/*.txt"], "http://127.0.0.1:9")


@pytest.fixture
def bucket(monkeypatch):
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    store = Store("s3://shelf", f"http://{host}:{port}")
    store.fs = type(store.fs)(
        endpoint_override=f"{host}:{port}", scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    store.fs.create_dir("shelf")
    yield "s3://shelf/root", f"http://{host}:{port}"
    server.stop()
