"""The compiled passes over characters say what Python says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus import alphabet, language
from novelray.corpus.alphabet import Pairs, codes
from novelray.corpus.dedup import exact, fold, sketches
from novelray.corpus.native import compiled

pytestmark = pytest.mark.skipif(compiled("sketch") is None, reason="nothing is compiled")

TEXTS = st.one_of(
    st.text(st.sampled_from("山雨欲来風滿樓Ａbé，。 \n\u3000\x00\x85\u2003\ud800\udfff\U00020000😀"), max_size=400),
    st.text(st.sampled_from("the and oféa \n"), max_size=400),
    st.text(st.characters(), max_size=200),
)
TABLE = Pairs(alphabet.table("a雨😀\ud800"), alphabet.table("山b\n "))


def told(text):
    """All that the passes say of a text."""
    found = sketches.sketch(text * 3)
    folded, hanzi = fold.fold_counted(text)
    return (
        exact.text_digest(text), language.language_of(text), folded.tolist(), hanzi,
        found.gram, found.bound, found.sample.tolist(), alphabet.alphabet(text * 100),
        list(TABLE.places(text)), list(Pairs.of(["雨欲", "a山", "th", "😀山"]).places(text)),
        alphabet.flagged(TABLE.first.view(np.uint8), codes(text)).tolist(),
    )  # fmt: skip


@given(TEXTS)
def test_digests_sketches_languages_and_places_are_those_of_plain_python(text):
    fast = told(text)
    with pytest.MonkeyPatch.context() as patch:
        for module in (alphabet, exact, fold, language, sketches):
            assert module._native is not None
            patch.setattr(module, "_native", None)
        assert fast == told(text)


def test_every_character_is_the_same_blank_and_the_same_bytes():
    every = "".join(map(chr, range(0x110000)))
    assert bytes(exact._native.bare(every)) == exact._bare(every)
    folded, hanzi = fold.fold_counted(every)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "_native", None)
        plain, plain_hanzi = fold.fold_counted(every)
    assert (folded == plain).all()
    assert hanzi == plain_hanzi
