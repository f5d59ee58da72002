"""Every real book has its real chapters, in every format and edition."""

from __future__ import annotations

import pytest

from novelray.corpus.clean import clean
from novelray.corpus.read import BookMeta, read_books
from novelray.corpus.split import split_book
from novelray.recipe.read import ReadSection

REAL = {
    "zh/三国演义.txt": 120,
    "zh/红楼梦.txt": 120,
    "zh/西游记.txt": 100,
    "zh-hant/三俠五義.txt": 120,
    "zh-hant/三國志演義.txt": 120,
    "zh-hant/鏡花緣.txt": 100,
    "zh-hant/兒女英雄傳.txt": 41,  # forty, and the opening that the book calls 緣起首回
    "zh-hant/儒林外史.txt": 47,  # this file lacks chapters 2 to 11 (no trace of their text) and has chapter 21 twice
    "zh-hant/二刻拍案驚奇.txt": 39,  # the file ends with 卷三十九
    "zh-hant/二刻拍案惊奇.txt": 28,  # the file breaks off in 卷二十八
    "zh-hant/聊齋志異.txt": 12,  # volumes: this file runs the tales and their titles together without any sign
    "en/pride-and-prejudice.utf8.txt": 61,
    "en/pride-and-prejudice.edition10.txt": 61,
    "en/pride-and-prejudice.edition12.txt": 61,
    "en/pride-and-prejudice.html": 61,
    "en/pride-and-prejudice.pdf": 61,
    "en/war-of-the-worlds.utf8.txt": 27,
    "en/war-of-the-worlds.epub": 27,
    "en/sherlock-holmes.latin1.txt": 12,
    "en/sherlock-holmes.html": 12,
    "en/frankenstein.txt": 28,  # four letters and 24 chapters
    "en/frankenstein.edition14.txt": 28,
    "en/time-machine.utf8.txt": 17,  # sixteen and the epilogue
}


@pytest.fixture(scope="module")
def book(novels):
    """A novel's cleaned text and its split, each made once."""
    made = {}

    def of(name):
        if name not in made:
            path = novels / name
            (read,) = read_books(path, path.name, BookMeta(), ReadSection())
            text = clean(read.text)[0]
            made[name] = text, split_book(text, read.title)
        return made[name]

    return of


@pytest.mark.novels
def test_no_real_book_is_left_out(novels):
    found = {f"{path.parent.name}/{path.name}" for path in novels.glob("*/*.*")}
    assert set(REAL) == found


@pytest.mark.novels
@pytest.mark.parametrize("name", REAL)
def test_real_books_have_their_chapters(book, name):
    text, split = book(name)
    assert len(split.chapters) == REAL[name]
    assert "".join(text[p.start : p.end] for p in split.pieces) == text
    assert split.confidence > 0.7
    assert min(p.end - p.body for p in split.chapters) > 500


@pytest.mark.novels
def test_volumes_of_a_real_book_hold_their_chapters(book):
    for name in ("en/war-of-the-worlds.utf8.txt", "en/war-of-the-worlds.epub"):
        volumes = [p.volume for p in book(name)[1].chapters]
        assert [volumes.count(v) for v in dict.fromkeys(volumes)] == [17, 10]
        assert volumes[0].startswith("BOOK ONE")


@pytest.mark.novels
@pytest.mark.parametrize(
    "names",
    [
        ("en/war-of-the-worlds.utf8.txt", "en/war-of-the-worlds.epub"),
        ("en/sherlock-holmes.latin1.txt", "en/sherlock-holmes.html"),
        ("en/pride-and-prejudice.utf8.txt", "en/pride-and-prejudice.html", "en/pride-and-prejudice.pdf"),
    ],
)
def test_a_book_has_chapters_of_the_same_length_in_every_format(book, names):
    texts = [book(name) for name in names]
    lengths = [[len("".join(text[p.body : p.end].split())) for p in split.chapters] for text, split in texts]
    for other in lengths[1:]:
        assert [abs(a - b) < 0.03 * a for a, b in zip(lengths[0], other, strict=True)] == [True] * len(lengths[0])


@pytest.mark.novels
def test_the_errors_in_a_books_own_numbering_are_reported(book):
    assert book("zh-hant/儒林外史.txt")[1].numbering == ["2 to 11 missing before 第十二回", "第二十一回 stands twice"]
    assert book("en/war-of-the-worlds.utf8.txt")[1].numbering[0].startswith("VI. ")
    assert book("en/war-of-the-worlds.utf8.txt")[1].numbering[0].endswith("stands where 4 is expected")
    assert book("zh/三国演义.txt")[1].numbering == []
    lost = book("zh-hant/三俠五義.txt")[1].numbering
    assert len(lost) == 1
    assert lost[0].startswith("12 headings have lost a zero: 第一回 stands for 100, ")
    twice = book("zh/红楼梦.txt")[1].numbering
    assert [error[:5] for error in twice if error.endswith("stands twice")] == ["第三十八回", "第一一九回"]
