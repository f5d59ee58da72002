"""A classifier holds back what it has not cleared, and fails closed or open as told."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.guarding import PiecesEngine, chunks_of, cut, text_of

from novelray.errors import RecipeError
from novelray.generate.guard.build import build_guard
from novelray.generate.guard.check import MOST_CHARS, Checker, Pieces
from novelray.generate.guard.engine import Guard, guarded
from novelray.generate.protocol import Request
from novelray.recipe.guard import GuardSection

STORY = "雨停了。“你来了？”她问。\n他点头，说“来了。”\nShe paid 3.14 dollars. Then she left!"


def asked_of(text, sizes=(1,), **options):
    """What a check is asked about, and what goes out."""
    asked = []

    def check(piece, context):
        asked.append((piece, context))

    return asked, text_of(chunks_of(PiecesEngine(cut(text, list(sizes))), Guard(checker=Checker(check, **options))))


def test_each_sentence_is_checked_once_with_what_stands_before_it():
    asked, shown = asked_of(STORY)
    pieces = ["雨停了。", "“你来了？”", "她问。\n", "他点头，说“来了。”\n", "She paid 3.14 dollars. ", "Then she left!"]
    assert [piece for piece, _ in asked] == pieces
    assert [context for _, context in asked] == ["".join(pieces[:i]) for i in range(len(pieces))]
    assert shown == STORY
    asked, _ = asked_of(STORY, unit="paragraph")
    assert [piece for piece, _ in asked] == STORY.splitlines(keepends=True)


@given(st.text("甲。”\n a.1!", max_size=60), st.lists(st.integers(1, 9), min_size=1, max_size=4),
       st.sampled_from(["sentence", "paragraph"]))  # fmt: skip
def test_pieces_do_not_depend_on_how_the_stream_is_cut_and_lose_nothing(text, sizes, unit):
    def pieces_of(parts):
        pieces = Pieces(unit)
        return [p for part in parts for p in pieces.push(part)] + pieces.flush()

    assert pieces_of(cut(text, sizes)) == pieces_of([text] if text else [])
    assert "".join(pieces_of([text])) == text


def test_a_text_without_an_end_is_checked_after_so_many_characters():
    asked, _ = asked_of("字" * (2 * MOST_CHARS + 1), sizes=(7,))
    assert [len(piece) for piece, _ in asked] == [MOST_CHARS, MOST_CHARS, 1]


def test_nothing_of_a_piece_is_shown_before_it_is_cleared_and_nothing_after_one_that_is_not():
    cleared = []

    async def check(piece, context):
        await asyncio.sleep(0.01)
        if "坏" in piece:
            return "violence"
        cleared.append(piece)
        return None

    engine = PiecesEngine(list("好的。一句坏话。又好了。"))

    async def watch():
        shown = ""
        async for chunk in guarded(engine, Guard(checker=Checker(check))).generate(Request("r", (1,))):
            shown += chunk.text
            assert shown == "".join(cleared)
        return shown, chunk

    shown, last = asyncio.run(watch())
    assert (shown, last.finish_reason) == ("好的。", "content_filter")
    assert [(d.rule, d.action, d.offset, d.length) for d in last.interventions] == [("check", "stop", 3, 5)]
    assert engine.closed


def failing(piece, context):
    raise ValueError("the classifier is gone")


async def slow(piece, context):
    await asyncio.sleep(30)


def slow_thread(piece, context):
    time.sleep(0.5)


def wrong(piece, context):
    return True


@pytest.mark.parametrize("check", [failing, slow, slow_thread, wrong])
@pytest.mark.parametrize("fails_open", [False, True])
def test_a_check_that_fails_or_takes_too_long_stops_or_passes_as_told(check, fails_open):
    chunks = chunks_of(PiecesEngine(["一句。"]), Guard(checker=Checker(check, timeout_s=0.05, fails_open=fails_open)))
    assert text_of(chunks) == ("一句。" if fails_open else "")
    assert chunks[-1].finish_reason == ("stop" if fails_open else "content_filter")
    assert [(d.rule, d.action) for d in chunks[-1].interventions] == [
        ("check_failed", "pass" if fails_open else "stop")
    ]


def test_a_head_of_the_model_can_be_the_check():
    engine = PiecesEngine(
        ["平静。", "血腥。", "平静。"], heads={"tone": ("calm", "gore")},
        probs=lambda text: {"tone": [0.2, 0.8] if "血" in text else [0.9, 0.1]},
    )  # fmt: skip
    section = {"check": {"head": "tone", "classes": ["gore"], "above": 0.7}}
    guard = build_guard(GuardSection.model_validate(section), engine, lambda: None)
    assert text_of(chunks_of(engine, guard)) == "平静。"


@pytest.mark.parametrize("check", [
    {"head": "mood", "classes": ["gore"]}, {"head": "tone", "classes": ["sad"]}, {"call": "no.such:thing"},
    {"call": "os:sep"}, {"call": "os:nothing"},
])  # fmt: skip
def test_a_check_that_is_not_there_is_refused_at_start(check):
    engine = PiecesEngine([], heads={"tone": ("calm", "gore")})
    with pytest.raises(RecipeError, match=r"serve\.guard\.check"):
        build_guard(GuardSection.model_validate({"check": check}), engine, lambda: None)


def test_a_recipe_names_terms_and_a_function_and_nothing_is_watched_by_default(tmp_path):
    (tmp_path / "terms.txt").write_text("# names\n坏人\n\n", "utf-8")
    section = GuardSection.model_validate({
        "terms": {"words": ["恶人"], "file": str(tmp_path / "terms.txt"), "action": "mask"},
        "check": {"call": "support.guarding:text_of"},
    })  # fmt: skip
    guard = build_guard(section, PiecesEngine([]), lambda: None)
    assert text_of(chunks_of(PiecesEngine(["坏人与恶人"]), Guard(terms=guard.terms, masks=guard.masks))) == "●●与●●"
    assert guard.checker is not None
    engine = PiecesEngine([])
    assert guarded(engine, build_guard(GuardSection(), engine, lambda: None)) is engine
    with pytest.raises(RecipeError, match="cannot be read"):
        build_guard(GuardSection.model_validate({"terms": {"file": "/nowhere"}}), engine, lambda: None)


def test_three_filters_at_once_hold_back_mask_and_clear_in_one_stream():
    from support.guarding import index_of

    from novelray.generate.guard.copying import Limits
    from novelray.generate.guard.terms import Terms

    book = "".join(chr(0x4E00 + 7 * i) for i in range(90))
    seen = []

    def check(piece, context):
        seen.append(piece)

    guard = Guard(
        index=index_of(book), limits=Limits(60, 200), terms=Terms(["坏人"]), masks=True, checker=Checker(check)
    )
    for sizes in ([1], [7, 2], [500]):
        seen.clear()
        chunks = chunks_of(PiecesEngine(cut("有个坏人。他念道：" + book, sizes)), guard)
        assert text_of(chunks) == "有个●●。他念道：" + book[:60]
        assert seen == ["有个●●。", "他念道：" + book[:60]]
        done = [(d.rule, d.action, d.offset, d.length) for c in chunks for d in c.interventions]
        assert sorted(done) == [("copying", "stop", 9, 60), ("terms", "mask", 2, 2)]
        assert chunks[-1].finish_reason == "content_filter"
