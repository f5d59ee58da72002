"""Stop strings over a text that comes in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from novelray.generate.stops import StopMatcher


def run(pieces, stops):
    matcher = StopMatcher(stops)
    shown = []
    for piece in pieces:
        shown.append(matcher.push(piece))
        if matcher.found:
            return shown, True
    return [*shown, matcher.flush()], False


def test_a_stop_that_spans_pieces_is_never_shown():
    shown, stopped = run(["他说", "完。第", "二", "章开始"], ["第二章"])
    assert (shown, stopped) == (["他说", "完。", "", ""], True)


def test_what_may_become_a_stop_waits_until_it_cannot():
    matcher = StopMatcher(["\n\n***"])
    assert matcher.push("end\n\n*") == "end"
    assert matcher.push("no") == "\n\n*no"


def test_what_was_held_back_is_shown_when_the_text_ends():
    assert run(["天亮了。\n"], ["\n\n"]) == (["天亮了。", "\n"], False)


def test_of_two_stops_the_one_that_ends_first_counts():
    assert run(["abcd"], ["abcd", "c"]) == (["ab"], True)


letters = st.text(alphabet="abc", max_size=30)


@given(letters, st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3), st.data())
def test_where_a_text_stops_does_not_depend_on_how_it_is_cut(text, stops, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    shown, stopped = run(pieces, stops)
    assert ("".join(shown), stopped) == ("".join(run(list(text), stops)[0]), any(s in text for s in stops))
    assert not any(s in "".join(shown) for s in stops)
