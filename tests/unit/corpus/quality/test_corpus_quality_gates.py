"""The gates: a number with a reason for each, diversity, volume, the guide's rule, the plan to grow, warn or stop."""

from __future__ import annotations

import pytest

from novelray.corpus.quality import check_gates, judge, left_out, lines
from novelray.corpus.quality.volume import growth
from novelray.errors import CorpusError
from novelray.recipe import guide
from novelray.recipe.quality import QualitySection

KINDS = ("first person", "second person", "limited third", "omniscient third", "letters and diaries")
DETAIL = {"setup_introduces": 0.2, "setup_early": 0.7, "conflict_level": 0.6, "climax_late": 0.4,
          "resolution_closing": 0.1, "tension": [0.1, 0.2]}  # fmt: skip


def book(name, chars=1_000, arc=0.6, style=0.1, told=KINDS[0], genre="", guessed=False, language="zh", **other):
    scores = dict.fromkeys(("setup", "conflict", "climax", "resolution"), arc)
    return {
        "book": name, "language": language, "characters": {language: chars},
        "arc": None if arc is None else scores | {"continuity": 0.6, "total": arc, "detail": DETAIL},
        "style_distance": style, "perspective": told, "perspectives": {told: chars} if told else {},
        "genre": {"name": genre, "guessed": guessed, "confidence": 0.3}, "curated": None, "chapters": [],
    } | other  # fmt: skip


def gates_of(*books, volumes=None, parameters_b=None, objective="style", **section):
    volumes = volumes or {b["book"]: sum(b["characters"].values()) for b in books}
    return {g.name: g for g in judge(books, volumes, QualitySection(**section), objective, parameters_b)}


def tokens(millions, **fields):
    """A Chinese book of about so many million tokens."""
    return book("large", chars=round(millions * 1e6 / 0.7), **fields)


def test_every_gate_has_a_number_a_target_and_a_reason():
    gates = gates_of(book("a"), parameters_b=7.0)
    assert list(gates) == ["arc", "style", "perspectives", "genres", "curated", "volume", "commercial_mark"]
    for gate in gates.values():
        assert gate.explanation.endswith(".")
        assert len(gate.explanation) > 20
        assert gate.as_json()["target"] == gate.target


def test_the_terminal_says_each_number_its_target_and_whose_claim_it_is():
    told = list(lines(list(gates_of(book("a", style=0.2), book("b", arc=0.1)).values())))
    assert told[0].startswith("! arc 0.35: Mean story arc of 2 books by length; wanted 0.5 or more by our own measure.")
    assert told[1].startswith("✓ style 15.0%:")
    assert "wanted 15% or less by the field's guide" in told[1]
    assert told[-1].startswith("· commercial_mark not known:")


def test_the_lowest_book_is_named_with_what_its_text_lacks():
    said = gates_of(book("good", arc=0.8), book("weak", arc=0.1), volumes={"good": 10, "weak": 90})["arc"].explanation
    assert "The lowest is weak with 0.10" in said
    assert "the end does not wind up" in said
    assert "the opening introduces little" in said


def test_long_books_weigh_more_and_books_that_were_not_kept_weigh_nothing():
    gates = gates_of(book("a", arc=0.2), book("b", arc=0.8), book("c", arc=0.0), volumes={"a": 100, "b": 300})
    assert gates["arc"].value == pytest.approx(0.65)
    assert set(gates["arc"].detail["books"]) == {"a", "b"}


def test_five_perspectives_and_three_genres_pass_and_one_fewer_does_not():
    books = [book(kind, told=kind, genre=f"genre {n % 3}") for n, kind in enumerate(KINDS)]
    assert gates_of(*books)["perspectives"].passed
    assert gates_of(*books)["genres"].passed
    fewer = gates_of(*books[:2], *books[3:4], book("x", told=KINDS[0], genre="genre 0"))
    assert fewer["perspectives"].passed is False
    assert fewer["perspectives"].value == 3
    assert "limited third" in fewer["perspectives"].detail["missing"]
    assert gates_of(*books[:2])["genres"].passed is False


def test_a_trace_of_a_perspective_does_not_count_as_having_it():
    found = gates_of(book("a", chars=100_000), book("b", chars=500, told="second person"))["perspectives"]
    assert found.value == 1
    assert found.detail["traces"] == {"second person": 500}


def test_a_book_of_several_voices_counts_as_such_once():
    told = {"first person": 900, "letters and diaries": 100}
    gate = gates_of(book("a", perspective="several voices", perspectives=told))["perspectives"]
    assert gate.detail["characters"] == {"several voices": 1_000}


def test_a_guessed_genre_says_that_it_is_a_guess_and_a_weak_guess_is_none():
    gate = gates_of(book("a", genre="武侠", guessed=True))["genres"]
    assert gate.value == 1
    assert "Guessed" in gate.explanation
    weak = book("a") | {"genre": {"name": "武侠", "guessed": True, "confidence": 0.02}}
    assert gates_of(weak)["genres"].value == 0


def test_the_share_of_curated_text_is_by_characters_and_unknown_counts_as_not():
    books = [book("a", chars=100, curated=True), book("b", chars=200, curated=False), book("c", chars=100)]
    gate = gates_of(*books, curated=0.5)["curated"]
    assert (gate.value, gate.passed) == (0.25, False)
    assert "25%" in gate.explanation
    assert gates_of(book("c"))["curated"].passed is None


@pytest.mark.parametrize(("objective", "millions"), [("style", 80), ("genre", 120), ("author", 200)])
def test_each_objective_has_the_guides_volume(objective, millions):
    assert guide.volume(objective) == millions * 1_000_000
    enough, short = (gates_of(tokens(millions + more), objective=objective)["volume"] for more in (1, -1))
    assert enough.passed
    assert {batch["kind"] for batch in enough.detail["growth"]} == {"theme"}
    assert short.passed is False
    assert short.detail["growth"]


def test_less_text_will_do_where_text_times_size_reaches_five_hundred():
    assert gates_of(tokens(72), parameters_b=7.0)["volume"].passed, "72 × 7 = 504"
    assert gates_of(tokens(71), parameters_b=7.0)["volume"].passed is False, "71 × 7 = 497"
    assert gates_of(tokens(72), parameters_b=7.0)["commercial_mark"].passed
    short = gates_of(tokens(71), parameters_b=7.0)["commercial_mark"]
    assert (short.passed, short.value) == (False, pytest.approx(497, abs=0.1))
    assert short.detail["tokens_for_mark"] == pytest.approx(500e6 / 7, rel=1e-6)


def test_nothing_makes_up_for_half_the_text_missing_or_for_text_that_is_not_sound():
    assert gates_of(tokens(39), parameters_b=70.0)["volume"].passed is False
    assert gates_of(tokens(72, arc=0.2), parameters_b=7.0)["volume"].passed is False
    assert gates_of(tokens(72, style=0.4), parameters_b=7.0)["volume"].passed is False
    assert gates_of(tokens(72, arc=None), parameters_b=7.0)["volume"].passed is False, "not known is not sound"
    assert gates_of(tokens(72))["volume"].passed is False, "the size is not known"


def test_a_corpus_grows_by_a_base_then_by_themes_then_by_more_of_all():
    plan = growth(10_000_000, 200_000_000, [{"perspective": "second person"}, {"genre": "new"}])
    assert [batch["kind"] for batch in plan] == ["base", "theme", "theme", "more", "more"]
    assert (plan[0]["tokens"], plan[0]["at_most"]) == (70_000_000, 110_000_000)
    assert [batch["batch"] for batch in plan] == [1, 2, 3, 4, 5]
    assert 10_000_000 + sum(batch["tokens"] for batch in plan) == 200_000_000


def test_a_corpus_that_has_its_base_only_gets_its_themes():
    assert [batch["kind"] for batch in growth(90_000_000, 80_000_000, [{"genre": "new"}])] == ["theme"]
    assert growth(90_000_000, 80_000_000, []) == []


def test_the_plan_to_grow_names_the_perspectives_that_are_missing():
    said = gates_of(tokens(1))["volume"].explanation
    assert "To grow: 1. a base, 79.0 to 119.0 M tokens; 2. second person, 10.0 M tokens" in said


def test_gates_only_warn_unless_the_recipe_says_stop():
    gates = list(gates_of(book("a", arc=0.1, style=0.4)).values())
    check_gates(gates, QualitySection())
    with pytest.raises(
        CorpusError, match=r"arc is 0\.10, wanted 0\.50 or more; style is 40\.0%, wanted 15\.0% or less"
    ):
        check_gates(gates, QualitySection(on_fail="stop"))


def test_what_cannot_be_judged_neither_passes_nor_stops():
    gates = gates_of(book("a", arc=None, style=None, told="", language="fr"), volumes={"a": 0})
    assert {gate.passed for gate in gates.values()} == {None}
    check_gates(list(gates.values()), QualitySection(on_fail="stop"))


def test_chapters_below_the_recipes_least_arc_are_left_out_with_the_reason():
    rows = [{"chapter_id": "a:1", "arc": 0.1}, {"chapter_id": "a:2", "arc": 0.4}, {"chapter_id": "a:3", "arc": None}]
    measured = book("a", arc=0.3, chapters=rows)
    assert left_out(measured, QualitySection()) == {}
    gone = left_out(measured, QualitySection(min_chapter_arc=0.2))
    assert list(gone) == ["a:1"]
    assert "0.10" in gone["a:1"]
    assert list(left_out(measured, QualitySection(min_book_arc=0.35))) == ["a:1", "a:2", "a:3"]
