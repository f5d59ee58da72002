"""What `novelray diff` promises: the changes of the books asked for, from the file itself, and nothing built."""

from __future__ import annotations

import pytest

from novelray.cli.main import main

TEXT = "第一章 雨\n\n" + "他说:好,走吧.\n夜深了，灯还亮着。\n" * 8 + "电话13812345678给我。\n"


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "长夜.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "books" / "白昼.txt").write_text(TEXT.replace("雨", "晴"), encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: t\nstorage: {root: data}\ncorpus: {books: [books]}\ntrain: {method: full}\n", encoding="utf-8"
    )
    return path


def test_the_changes_of_one_book_are_shown_and_nothing_is_built(recipe, capsys):
    assert main(["diff", str(recipe), "长夜"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["--- 长夜.txt (before)", "+++ 长夜.txt (after)"]
    assert any(line.startswith("-他说:好,") for line in lines)
    assert any(line.startswith("+他说：好，") for line in lines)
    assert "+电话【电话】给我。" in lines
    assert not (recipe.parent / "data").exists()


def test_a_glob_takes_several_books(recipe, capsys):
    assert main(["diff", str(recipe), "*"]) == 0
    out = capsys.readouterr().out
    assert "--- 长夜.txt" in out
    assert "--- 白昼.txt" in out


def test_a_book_that_is_not_there_is_named_with_those_that_are(recipe, capsys):
    assert main(["diff", str(recipe), "黄昏"]) == 2
    err = capsys.readouterr().err
    assert "'黄昏'" in err
    assert "长夜" in err


def test_a_book_that_cannot_be_read_says_why(recipe, capsys):
    (recipe.parent / "books" / "长夜.txt").write_bytes(b"\x00\x01\x02" * 400)
    assert main(["diff", str(recipe), "长夜"]) == 2
    assert "长夜.txt cannot be read: " in capsys.readouterr().err
