"""An answer that another replica goes on with is watched as if it had never stopped."""

import pytest
from support.guarding import PiecesEngine, chunks_of, cut, index_of, text_of

from novelray.generate.guard.check import Checker
from novelray.generate.guard.copying import Limits
from novelray.generate.guard.engine import Guard
from novelray.generate.guard.terms import Terms
from novelray.generate.protocol import Request, Sampling

BOOK = "".join(chr(0x4E00 + 7 * i) for i in range(90))
TEXT = "有个坏人。他说坏事，坏 人，还有a bad word。badword不算。他念道：" + BOOK
TERMS = ["坏人", "bad word"]


def guards():
    async def allows(piece, context):
        return None

    return {
        "copying": Guard(index=index_of(BOOK), limits=Limits(60, 200)),
        "masks": Guard(terms=Terms(TERMS), masks=True),
        "stops": Guard(terms=Terms(["念道：" + BOOK[:5]]), masks=False),
        "check": Guard(checker=Checker(allows)),
        "all": Guard(
            index=index_of(BOOK), limits=Limits(60, 200), terms=Terms(TERMS), masks=True, checker=Checker(allows)
        ),
    }


def interventions(chunks):
    return [(d.rule, d.action, d.offset, d.length) for c in chunks for d in c.interventions]


@pytest.mark.parametrize("sizes", [(1,), (3, 2), (7,)])
@pytest.mark.parametrize("which", guards())
def test_text_and_interventions_are_the_same_wherever_an_answer_was_broken_off(which, sizes):
    guard, pieces = guards()[which], cut(TEXT, sizes)
    whole = chunks_of(PiecesEngine(pieces), guard)
    for k in range(1, len(whole)):
        resumed = tuple(t for c in whole[:k] for t in c.token_ids)
        asked = Request("r1", (1,), Sampling(logprobs=0), resumed=resumed)
        rest = chunks_of(PiecesEngine(pieces), guard, asked)
        assert text_of(whole[:k]) + text_of(rest) == text_of(whole), f"broken off after {k} pieces"
        assert sorted(interventions(whole[:k]) + interventions(rest)) == sorted(interventions(whole))
        assert rest[-1].finish_reason == whole[-1].finish_reason
