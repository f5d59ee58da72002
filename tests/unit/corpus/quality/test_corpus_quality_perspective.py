"""Who tells: chapters of the novels labelled by reading them, passages of our own, and the marks one by one."""

from __future__ import annotations

from collections import Counter

import pytest
from support import quality_trials as trials

from novelray.corpus.quality.narration import without_speech
from novelray.corpus.quality.people import minds
from novelray.corpus.quality.perspective import LETTERS, PERSPECTIVES, VOICES, of_book, perspective_of


@pytest.mark.novels
def test_nine_of_ten_chapters_labelled_by_reading_are_found_as_labelled(shelf):
    pairs = trials.told_in_chapters(shelf)
    assert pairs.total() >= 100
    assert trials.right(pairs) >= 0.9


@pytest.mark.novels
def test_every_perspective_that_the_novels_have_is_found_more_often_than_not(shelf):
    pairs = trials.told_in_chapters(shelf)
    for label in {label for label, _ in pairs}:
        assert pairs[label, label] > sum(n for (other, _), n in pairs.items() if other == label) / 2


@pytest.mark.novels
def test_the_labelled_chapters_are_in_the_books_and_from_all_of_them(shelf):
    labels = trials.labelled()
    assert all(1 <= number <= len(shelf[file]) for file, number, _ in labels)
    assert len({(file, number) for file, number, _ in labels}) == len(labels)
    assert {label for _, _, label in labels} <= set(PERSPECTIVES)
    assert len({file for file, _, _ in labels}) == 14


def test_nine_of_ten_passages_of_our_own_are_found_in_each_of_the_six_perspectives():
    pairs = trials.told_in_passages()
    assert {label for label, _ in pairs} == set(PERSPECTIVES)
    assert trials.right(pairs) >= 0.9
    for label in PERSPECTIVES:
        assert pairs[label, label] >= 0.8 * sum(n for (other, _), n in pairs.items() if other == label)


def test_what_people_say_does_not_make_the_teller():
    text = '"I never saw you," she said. "I was at my house, and you know it, and I told you so." ' * 10
    told = "The reader must know that Anna hated him. Peter wondered why. The whole village pitied them both. "
    assert perspective_of(f"{told}{text}{told}", "", "en") == "omniscient third"
    assert "never saw" not in without_speech(text)


def test_a_tale_told_in_quotation_marks_throughout_is_told_by_who_tells_it():
    text = "\n\n".join('"I rose at six and I went down to the river, where I washed my face' for _ in range(20))
    assert perspective_of(text, "", "en") == "first person"


def test_a_pronoun_stands_for_the_last_person_whom_a_sentence_was_about():
    told = "Mrs. Reed came in. She was angry. Jane hid. Mr. Brook thought of Jane. He wondered. Jane s heart sank."
    found = minds(told.replace(".", "").encode().split())
    assert found == Counter({"Mr Brook": 2, "Mrs Reed": 1, "Jane": 1})


def test_letters_round_another_persons_tale_are_several_voices():
    assert of_book([(LETTERS, 4_000), (LETTERS, 3_000), ("first person", 60_000)]) == VOICES
    assert of_book([("first person", 60_000), ("limited third", 90_000)]) == "limited third"


def test_a_letter_inside_a_chapter_does_not_make_it_a_letter():
    letter = "My dear Jane,\nI am well, and I hope that you are. The roses are out.\nYour affectionate sister,\nEliza\n"
    around = "I read it twice and I put it in my pocket. I walked to the gate and I thought of home.\n" * 30
    assert perspective_of(letter * 3, "", "en") == LETTERS
    assert perspective_of(around + letter + around, "", "en") == "first person"


@pytest.mark.parametrize(("text", "language"), [("Il marchait dans la rue. " * 20, "fr"), ("Short.", "en"), ("", "zh")])
def test_other_languages_and_scraps_have_no_perspective(text, language):
    assert perspective_of(text, "", language) == ""
    assert of_book([("", 100)]) == ""
    assert of_book([]) == ""
