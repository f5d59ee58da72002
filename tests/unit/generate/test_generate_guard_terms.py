"""Blocked terms are never shown, wherever the pieces of the stream are cut, and nothing else is lost."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.guarding import PiecesEngine, chunks_of, cut, text_of

from novelray.generate.guard.engine import Guard
from novelray.generate.guard.terms import TermFilter, Terms


def through(terms, text, masks=True, sizes=(1,)):
    engine = PiecesEngine(cut(text, list(sizes)))
    chunks = chunks_of(engine, Guard(terms=Terms(terms), masks=masks))
    return text_of(chunks), chunks


@pytest.mark.parametrize(("term", "text", "shown"), [
    ("敏感词", "一个敏感词。", "一个●●●。"),
    ("敏感词", "一个敏 感\n词。", "一个● ●\n●。"),
    ("敏感词", "敏\u200b感词", "●●●●"),
    ("國王", "国王与王国", "●●与王国"),
    ("ass", "Pass the ASS, classy ass", "Pass the ●●●, classy ●●●"),
    ("bad word", "a ＢＡＤ  word, badword, bad wordy", "a ●●●  ●●●●, badword, bad wordy"),
    ("AV女优", "看av女優吧", "看●●●●吧"),
    ("don’t", "I don't know", "I ●●●●● know"),
    ("3.14", "3.141 and 3.14", "3.141 and ●●●●"),
])  # fmt: skip
@pytest.mark.parametrize("sizes", [(1,), (2, 3), (100,)])
def test_a_term_is_masked_however_it_is_written_and_cut(term, text, shown, sizes):
    assert through([term], text, sizes=sizes)[0] == shown


def test_an_answer_ends_before_a_term_and_what_was_no_term_is_shown():
    text, chunks = through(["敏感词"], "敏感的人说了敏感词以后", masks=False)
    assert text == "敏感的人说了"
    assert chunks[-1].finish_reason == "content_filter"
    assert [(d.rule, d.action, d.offset, d.length) for c in chunks for d in c.interventions] == [
        ("terms", "stop", 6, 3)
    ]
    assert through(["敏感词"], "说了敏感", masks=False)[0] == "说了敏感"


def test_logprobs_of_what_is_not_shown_do_not_go_out():
    for masks, shown, tokens in ((True, [0, 1, 5], [0, 1, 2, 3, 4, 5]), (False, [0, 1], [0, 1])):
        _, chunks = through(["敏感词"], "说了敏感词后", masks=masks)
        assert [p.token_id for c in chunks for p in c.logprobs] == shown
        assert [t for c in chunks for t in c.token_ids] == tokens, "an answer that goes on needs those of masked text"


def test_what_may_become_a_term_waits_and_goes_out_as_soon_as_it_cannot():
    found = TermFilter(Terms(["abcd", "bcx"]), masks=True)
    assert [found.push(c)[0] for c in " abc"] == [" ", "", "", ""]
    assert found.push(" ")[0] == "abc "


def test_a_term_inside_the_beginning_of_a_longer_one_is_found():
    assert through(["敏感词语", "感"], "敏感人")[0] == "敏●人"
    assert through(["他说敏感词语", "说敏感人", "敏"], "他说敏感人")[0] == "他说●感人"


ALPHABET = "ab词感 敏A"


@given(st.lists(st.text(ALPHABET, min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=4),
       st.text(ALPHABET, max_size=30), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans())  # fmt: skip
def test_the_automaton_finds_what_a_search_finds(terms, text, sizes, masks):
    """Against regular expressions over the whole text."""
    expected = searched(terms, text)
    found, matches = TermFilter(Terms(terms), masks), []
    shown = ""
    for piece in cut(text, sizes):
        more, new = found.push(piece)
        shown, matches = shown + more, matches + new
        if found.stopped:
            break
    if not found.stopped:
        more, new = found.flush()
        shown, matches = shown + more, matches + new
    if masks:
        assert len(shown) == len(text)
        assert all(a in (b, "●") for a, b in zip(shown, text, strict=True))
        assert not searched(terms, shown)
        assert bool(matches) == bool(expected)
    else:
        assert shown == text[: matches[0].start] if matches else shown == text
        assert bool(matches) == bool(expected)
        if expected:
            assert matches[0].end == min(end for _, end in expected)


def searched(terms, text):
    """The spans of all terms by brute force."""
    spans = set()
    for term in terms:
        words = re.split(r"\s+", term.strip().lower())
        joined = words[0]
        for before, after in pairwise(words):
            both = before[-1] > "⺀" and after[0] > "⺀"
            joined += ("" if both else r" ") + after
        pattern = ""
        for i, char in enumerate(joined):
            if char == " ":
                pattern += r"\s+"
                continue
            if i and char > "⺀" and joined[i - 1] > "⺀":
                pattern += r"\s*"
            pattern += re.escape(char)
        letter = "[a-z]"
        start = f"(?<!{letter})" if joined[0] < "⺀" else ""
        end = f"(?!{letter})" if joined[-1] < "⺀" else ""
        for match in re.finditer(f"(?=({start}{pattern}{end}))", text.lower()):
            spans.add(match.span(1))
    return spans


def test_cost_does_not_grow_with_the_number_of_terms():
    import time

    def cost(count):
        terms = Terms([f"{chr(0x4E00 + i % 5000)}{chr(0x4E00 + i // 7)}词" for i in range(count)])
        found, text = TermFilter(terms, masks=True), "他说了一些关于天气和收成的话，然后走了。" * 100
        began = time.perf_counter()
        for char in text:
            found.push(char)
        return (time.perf_counter() - began) / len(text)

    assert cost(20_000) < 100e-6
