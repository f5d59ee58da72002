"""The story arc of books: whole against cut, in order against out of order, with reasons; novels and made-up books."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support import quality_trials as trials

from novelray.corpus.quality.arc import chapter_arc, story_arc
from novelray.corpus.quality.explain import FOUND, explain
from novelray.corpus.quality.features import features, stretches

COLLECTIONS = ("sherlock-holmes", "二刻拍案", "聊齋志異")


def won(pairs):
    results = [a > b for a, b in pairs]
    return sum(results) / len(results)


@pytest.mark.slow
@pytest.mark.novels
def test_a_whole_novel_scores_above_its_half_in_nine_of_ten_books(numbers):
    assert won(trials.halved(numbers).values()) >= 0.9


@pytest.mark.slow
@pytest.mark.novels
def test_a_whole_novel_scores_above_its_half_where_both_have_the_same_length(numbers):
    assert won(trials.thinned(numbers).values()) >= 0.9


@pytest.mark.slow
@pytest.mark.novels
def test_a_novel_scores_above_itself_shuffled_in_nine_of_ten_pairs(numbers):
    pairs = trials.shuffled(numbers, seeds=5)
    assert won([pair for of_book in pairs.values() for pair in of_book]) >= 0.9


@pytest.mark.novels
def test_a_novel_always_scores_above_itself_shuffled_and_a_collection_has_no_thread(numbers):
    books = {name: numbers[name] for name in trials.unlike(list(numbers))}
    novels = {name: f for name, f in books.items() if not any(c in name for c in COLLECTIONS)}
    assert won([pair for of_book in trials.shuffled(novels, seeds=3).values() for pair in of_book]) == 1
    continuity = {name: story_arc(f).continuity for name, f in books.items()}
    assert all(continuity[name] > 0.3 for name in novels)
    assert {name: c for name, c in continuity.items() if name not in novels and c > 0.15} == {}


@pytest.mark.novels
def test_a_short_story_in_order_scores_above_itself_with_its_sentences_shuffled(shelf):
    pairs = []
    for chapter in [c for name in ("en/sherlock-holmes.latin1.txt", "zh-hant/二刻拍案驚奇.txt") for c in shelf[name]]:
        parts = chapter.text.split("\n\n") if chapter.language == "en" else chapter.text.split("。")
        size = max(1, len(parts) // 20)
        blocks = [parts[i : i + size] for i in range(0, len(parts), size)]
        mixed = [part for block in random.Random(1).sample(blocks, len(blocks)) for part in block]
        texts = ("\n\n" if chapter.language == "en" else "。").join(parts), "。\n\n".join(mixed)
        pairs.append(tuple(story_arc([], stretches([text], chapter.language)).total for text in texts))
    assert len(pairs) > 40
    assert won(pairs) >= 0.85


def _word(rng):
    return "q" + "".join(rng.choice("abcdefghijklmnop") for _ in range(7))


def book(chapters, seed=0, end="", start="", tense=()):
    """English chapters on topics that drift from one to the next; `tense`: chapters with words of strife."""
    rng = random.Random(seed)
    common = [_word(rng) for _ in range(80)]
    topics = [[_word(rng) for _ in range(15)] for _ in range(chapters + 2)]
    texts = []
    for n in range(chapters):
        own = [word for topic in topics[n : n + 3] for word in topic]
        words = [rng.choice(common if rng.random() < 0.6 else own) for _ in range(600)]
        words += ["killed", "fear", "blood"] * (20 if n in tense else 1)
        texts.append(" ".join(words))
    texts[0] = f"{start} {texts[0]}"
    texts[-1] = f"{texts[-1]} {end}"
    return [features(text, "en") for text in texts]


def test_each_part_answers_to_what_it_is_named_after():
    plain = story_arc(book(12))
    introduced = story_arc(book(12, start="born in a town of a family named once " * 20))
    wound_up = story_arc(book(12, end="married at last and lived happily ever after in peace " * 20))
    late, early = story_arc(book(12, tense=(9,))), story_arc(book(12, tense=(1,)))
    assert introduced.setup > plain.setup
    assert wound_up.resolution > plain.resolution
    assert late.climax > 0.6 > 0.4 > early.climax
    assert late.conflict > plain.conflict


def test_chapters_out_of_order_lose_their_continuity_and_with_it_their_arc():
    chapters = book(24, tense=(17,))
    order = random.Random(3).sample(range(24), 24)
    whole, mixed = story_arc(chapters), story_arc([chapters[i] for i in order])
    assert whole.continuity > 0.5 > mixed.continuity
    assert whole.total > mixed.total


def test_a_chapter_that_promises_the_next_one_does_not_close():
    told = "他在山中走了很久。" * 60
    assert chapter_arc(features(told + "从此二人回到家中，终身太平。", "zh")).resolution > 0
    assert chapter_arc(features(told + "不知性命如何，且听下回分解。", "zh")).resolution == 0


@pytest.mark.parametrize("chapters", [1, 2, 3, 4, 5])
def test_every_number_of_chapters_has_a_score(chapters):
    arc = story_arc(book(chapters))
    assert all(0 <= getattr(arc, part) <= 1 for part in ("setup", "conflict", "climax", "resolution", "total"))


def test_empty_chapters_do_not_break_the_arc():
    arc = story_arc([features("", language) for language in ("zh", "en")] * 3)
    assert np.isfinite(arc.total)


def test_a_story_that_is_one_chapter_is_seen_through_stretches_and_a_scrap_is_not():
    text = " ".join(f"word{n % 97}" for n in range(2_000))
    assert len(stretches([text], "en")) == 8
    assert stretches(["Too short."], "en") == []
    assert stretches([text], "ja") == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_is_explained_by_every_component_it_was_made_of(language):
    arc = story_arc(book(12, tense=(9,))).as_json()
    told = explain(arc, language)
    assert list(told) == ["setup", "conflict", "climax", "resolution", "continuity"]
    for name, score in arc["detail"].items():
        if name != "tension":
            assert FOUND[name][score < 0.5][language == "zh"] in told[name.partition("_")[0]]


def test_a_book_cut_short_is_told_so():
    chapters = [features("他在山中走了很久。" * 60 + "且听下回分解。", "zh") for _ in range(8)]
    assert "promises that the story goes on" in explain(story_arc(chapters).as_json())["resolution"]
