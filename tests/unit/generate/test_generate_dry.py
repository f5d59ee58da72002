"""DRY against its definition, written plainly."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_models import make_tokenizer

from novelray.generate.detokenise import Vocabulary
from novelray.generate.dry import LONGEST, Breakers, Dry
from novelray.generate.protocol import DRY_BREAKERS, Sampling

BREAK = 9
TOKENIZER = make_tokenizer()


def digit(token):
    return str(token).encode() if token < 10 else bytes([token])


def plain(tokens, multiplier, base, allowed, last, breaks):
    """The definition: for each earlier place of the last token, how far back the text is the same there."""
    tokens = tokens[-last:] if last else tokens
    lengths = {}
    if not tokens or tokens[-1] in breaks:
        return {}
    for at in range(len(tokens) - 1):
        following = tokens[at + 1]
        if tokens[at] != tokens[-1] or following in breaks:
            continue
        length = 1
        while length < LONGEST and at - length >= 0:
            before = tokens[-1 - length]
            if tokens[at - length] != before or before in breaks:
                break
            length += 1
        lengths[following] = max(length, lengths.get(following, 0))
    return {t: multiplier * base ** (n - allowed) for t, n in lengths.items() if n >= allowed}


texts = st.lists(st.sampled_from([1, 2, 3, BREAK]), max_size=70)


@settings(deadline=None)
@given(texts, texts, st.integers(1, 4), st.integers(0, 40), st.sampled_from([(), ("9",)]))
def test_penalties_are_those_of_the_definition_after_every_token(prompt, output, allowed, last, breakers):
    sampling = Sampling(
        dry_multiplier=0.8, dry_allowed_length=allowed, dry_penalty_last_n=last, dry_sequence_breakers=breakers
    )
    dry = Dry(sampling, tuple(prompt), digit)
    for read in range(len(output) + 1):
        expected = plain([*prompt, *output[:read]], 0.8, 1.75, allowed, last, {BREAK} if breakers else set())
        assert dry.penalties() == pytest.approx(expected)
        if read < len(output):
            dry.observe(output[read])


def test_a_long_repetition_counts_as_far_as_the_limit_and_no_penalty_is_infinite():
    dry = Dry(Sampling(dry_multiplier=1.0, dry_base=4.0), (1, 2) * 90, digit)
    assert set(dry.penalties()) == {1}
    assert 0 < dry.penalties()[1] < float("inf")
    dry = Dry(Sampling(dry_multiplier=1.0, dry_base=1.1), (1, 2) * 90, digit)
    assert dry.penalties() == pytest.approx(plain([1, 2] * 90, 1.0, 1.1, 2, 0, set()))


def asked(text, **sampling):
    """What DRY says of a Chinese text, by character."""
    dry = Dry(Sampling(dry_multiplier=1.0, **sampling), [ord(c) for c in text], lambda t: chr(t).encode())
    return {chr(token): penalty for token, penalty in dry.penalties().items()}


@pytest.mark.parametrize("mark", list('。！？…「」『』“”：，、；《》—\n:"*'))
def test_marks_of_chinese_prose_end_a_repetition(mark):
    assert asked("山雨欲来风满楼山雨欲来") == {"风": pytest.approx(1.75**2)}
    assert asked(f"山雨欲{mark}来风满楼山雨欲{mark}来") == {}, "the repetition began anew after the mark"
    assert asked(f"山雨欲来{mark}山雨欲来") == {}, "a mark that ends a sentence is no repetition"
    assert asked(f"山雨欲{mark}来风满楼山雨欲{mark}来", dry_sequence_breakers=("#",)) == {"风": pytest.approx(1.75**3)}


def test_a_place_where_a_breaker_of_two_tokens_ends_is_no_repetition():
    assert asked("a#cq#", dry_allowed_length=1, dry_sequence_breakers=("##",)) == {"c": 1.0}
    assert asked("a##cq#", dry_allowed_length=1, dry_sequence_breakers=("##",)) == {}


def test_a_breaker_is_found_in_a_token_and_over_several():
    breakers = Breakers(["。", "###"], lambda t: t)
    pieces = ["她说。“".encode(), "来".encode(), b"\xe3", b"\x80", b"\x82", b"##", b"# x", b"#", b"\xe3\x80", b"\x81"]
    assert [breakers.push(p) for p in pieces] == [True, False, False, False, True, False, True, False, False, False]


@settings(deadline=None)
@given(st.text(alphabet="山。来，a:\n「", max_size=40))
def test_breakers_of_a_real_tokenizer_are_where_they_are_in_the_text(text):
    vocabulary = Vocabulary(TOKENIZER)
    breakers = Breakers(DRY_BREAKERS, vocabulary.piece)
    read, ended = b"", []
    for token in TOKENIZER(text)["input_ids"]:
        start, read = len(read), read + vocabulary.piece(token)
        ends = {m + len(b.encode()) for b in DRY_BREAKERS for m in range(len(read)) if read.startswith(b.encode(), m)}
        ended.append((breakers.push(token), any(start < end <= len(read) for end in ends)))
    assert all(found == there for found, there in ended)


def test_a_token_costs_little_at_four_thousand_tokens_and_no_more_than_its_earlier_places():
    """Measured at about 50 µs; the definition, run at each token, takes over 500."""
    words = random.Random(0)
    prompt = [int(words.paretovariate(0.6)) % 3000 + 300 for _ in range(4000)]
    dry = Dry(Sampling(dry_multiplier=0.8), prompt, lambda t: chr(t).encode())
    began = time.thread_time()
    for token in prompt[1000:2000]:
        dry.observe(token)
        dry.penalties()
    assert (time.thread_time() - began) / 1000 < 0.001


def test_a_text_of_one_token_is_no_way_to_stall_the_others():
    """The worst text there is: every place is an earlier place of the last token."""
    dry = Dry(Sampling(dry_multiplier=0.8), [5] * 20_000, digit)
    began = time.thread_time()
    for _ in range(10):
        dry.observe(5)
        dry.penalties()
    assert (time.thread_time() - began) / 10 < 0.05
