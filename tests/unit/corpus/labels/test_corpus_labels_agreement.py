import csv
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_files import annotation, choice, dumped, item, part, region, task
from sklearn.metrics import cohen_kappa_score

from novelray.corpus.labels import attach, labels_of
from novelray.corpus.labels.kappa import kappa
from novelray.corpus.labels.kinds import Span
from novelray.corpus.labels.stretches import agreed, contested, matched
from novelray.corpus.labels.table import COLUMNS, as_csv, as_lines
from novelray.recipe.labels import LabelsSection


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=60))
def test_kappa_is_the_one_of_scikit_learn(pairs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn's own about 0 / 0
        theirs = cohen_kappa_score(*zip(*pairs, strict=True))
    ours = kappa(pairs)
    assert ours.observed == sum(a == b for a, b in pairs) / len(pairs)
    if ours.value is None:
        assert len(set(pairs)) == 1
        assert theirs != theirs
    else:
        assert ours.value == pytest.approx(theirs, abs=1e-12)


def test_kappa_of_one_value_throughout_is_undefined_and_of_nothing_too():
    assert (kappa([("a", "a")] * 5).value, kappa([("a", "a")] * 5).observed) == (None, 1.0)
    assert kappa([]).value is None
    assert kappa([("a", "b")] * 5).value == 0.0


def genre_file(*answers):
    """answers: for each text the genres that ann, bo, ... chose (None: not judged)."""
    people = ("ann@x.org", "bo@x.org", "cy@x.org")
    return dumped([
        task(item(number), "genre", *(
            annotation({"email": who}, choice("genre", genre))
            for who, genre in zip(people, genres, strict=False) if genre
        ))
        for number, genres in enumerate(answers)
    ])  # fmt: skip


def attached(section, content):
    return attach(labels_of({"a.json": content}, section), None)


def verdicts(section, content, layer=0):
    return attached(section, content).layers[layer].verdicts


W, Y, S = "武侠", "言情", "science fiction"


def test_each_label_is_judged_by_its_own_mean_kappa_over_the_pairs(section):
    answers = [(W, W), (W, W), (W, W), (Y, S), (S, Y), (Y, Y), (S, S), (W, W)]
    found = verdicts(section, genre_file(*answers))
    first, second = zip(*answers, strict=True)
    for label in (W, Y, S):
        expected = cohen_kappa_score([a == label for a in first], [b == label for b in second])
        assert found[label].mean == pytest.approx(expected)
        assert found[label].used == (expected >= 0.6)
    assert {label: v.used for label, v in found.items()} == {W: True, Y: False, S: False}
    assert "below 0.60" in found[Y].reason


def test_every_pair_of_annotators_has_its_kappa_and_the_choice_as_a_whole_has_one_too(section):
    result = attached(section, genre_file((W, W, Y), (Y, Y, Y), (W, W, W), (S, None, S))).layers[0]
    rows = {(p.label, p.first, p.second): p for p in result.pairs}
    assert rows["(all labels)", "ann", "bo"].kappa.value == 1.0
    assert rows["(all labels)", "ann", "cy"].common == 4
    expected = cohen_kappa_score([W, Y, W, S], [Y, Y, W, S])
    assert rows["(all labels)", "ann", "cy"].kappa.value == pytest.approx(expected)
    assert len(rows) == 3 * 4


def test_labels_below_the_threshold_are_not_used_for_any_chapter(section):
    answers = [(W, W), (W, W), (W, W), (Y, S), (S, Y), (Y, Y), (S, S), (W, W), (Y, None), (W, None)]
    found = attached(section, genre_file(*answers))
    assert set(map(str, found.table.column("label").to_pylist())) == {W}
    assert len(found.by_chapter) == 5
    assert attached(section.model_copy(update={"min_kappa": -1.0}), genre_file(*answers)).table.num_rows == 8


def test_too_few_texts_in_common_means_not_used_and_says_so(section):
    found = verdicts(section.model_copy(update={"min_common": 4}), genre_file((W, W), (Y, Y), (W, W), (W, None)))
    assert not found[W].used
    assert found[W].reason == "no two annotators have 4 in common (at most 3)"


def test_one_annotator_alone_is_not_used_unless_the_recipe_asks_for_no_measure(section):
    alone = genre_file((W,), (Y,), (W,))
    assert not verdicts(section, alone)[W].used
    unmeasured = verdicts(section.model_copy(update={"min_common": 0}), alone)
    assert unmeasured[W].used
    assert not unmeasured[S].used
    assert unmeasured[S].reason == "never given"


def test_where_everyone_always_says_the_same_kappa_is_undefined_and_the_label_is_used(section):
    found = verdicts(section, genre_file((W, W), (W, W), (W, W)))[W]
    assert (found.used, found.mean) == (True, None)
    assert "undefined" in found.reason


def test_two_against_one_is_settled_and_one_against_one_is_not(section):
    answers = [(W, W, Y), (W, Y), (W, W, W), (Y, Y, Y), (Y, Y), (W, S, Y)]
    result = attached(section.model_copy(update={"min_kappa": -1.0}), genre_file(*answers)).layers[0]
    assert {r.chapter_id[-1]: (r.label, r.agreement) for r in result.resolved} == {
        "0": (W, 0.6667), "2": (W, 1.0), "3": (Y, 1.0), "4": (Y, 1.0),
    }  # fmt: skip
    assert {d.chapter_id[-1]: d.result for d in result.disagreements} == {
        "0": "majority: 武侠", "1": "none: no majority", "5": "none: no majority",
    }  # fmt: skip
    assert result.disagreements[0].values == {"ann": W, "bo": W, "cy": Y}
    assert result.disagreements[0].excerpt == item().text
    assert result.outcomes == {"agreement": 3, "disagreement": 3}


def test_ground_truth_wins_over_a_majority_and_over_a_low_kappa(section):
    answers = [annotation(who, choice("genre", W)) for who in (1, 2)]
    truth = annotation(3, choice("genre", Y), ground_truth=True)
    result = attached(section, dumped([task(item(), "genre", *answers, truth)])).layers[0]
    assert [(r.label, r.annotators, r.agreement) for r in result.resolved] == [(Y, 3, 1.0)]
    assert result.disagreements[0].result == "ground truth: 言情"
    assert result.outcomes == {"ground truth": 1}


def test_where_several_labels_may_hold_each_is_settled_by_itself(section):
    def moods(who, *labels):
        return annotation(who, choice("mood", *labels)) if labels else annotation(who)

    tasks = [task(item(0), "mood", moods(1, "dark", "funny"), moods(2, "dark"), moods(3, "dark"))]
    tasks += [task(item(n), "mood", moods(1), moods(2), moods(3)) for n in (1, 2)]
    result = attached(section.model_copy(update={"min_kappa": -1.0}), dumped(tasks)).layers[1]
    assert [(r.chapter_id[-1], r.label) for r in result.resolved] == [("0", "dark")]
    assert [(d.about, d.values, d.result) for d in result.disagreements] == [
        ("funny", {"1": "funny", "2": "", "3": ""}, "majority: nothing")
    ]


def test_the_table_of_disagreements_opens_in_a_spreadsheet_and_runs_nothing(section):
    texts = [item(0, "=1+1，他說。"), item(1)]
    tasks = [task(t, "genre", annotation(1, choice("genre", W)), annotation(2, choice("genre", Y))) for t in texts]
    found = attached(section, dumped(tasks)).disagreements
    rows = list(csv.reader(as_csv(found).decode("utf-8-sig").splitlines()))
    assert rows[0] == list(COLUMNS)
    assert [row[-1] for row in rows[1:]] == ["'=1+1，他說。", item().text]
    assert [json.loads(line)["values"] for line in as_lines(found).splitlines()] == [{"1": W, "2": Y}] * 2


def plot(who, *spans):
    text = item().text
    return annotation(who, *(region("plot", a, b, text[a:b], label, key=f"r{a}{label}") for a, b, label in spans))


def test_kappa_of_spans_is_over_characters_and_equal_spans_are_counted_too(section):
    one, two = [(0, 6, "setup")], [(0, 5, "setup"), (7, 11, "climax")]
    tasks = [task(item(n), "plot", plot(1, *one), plot(2, *two)) for n in (0, 1)]
    rows = {p.label: p for p in attached(section, dumped(tasks)).layers[2].pairs}
    size = len(item().text)
    marked = [[at < end for at in range(size)] * 2 for end in (6, 5)]
    assert rows["setup"].kappa.value == pytest.approx(cohen_kappa_score(*marked))
    assert (rows["setup"].common, rows["setup"].kappa.common, rows["setup"].f1) == (2, 2 * size, 0.0)
    assert rows["climax"].kappa.value == 0.0


def test_of_spans_the_characters_that_most_marked_are_used(section):
    tasks = [task(item(), "plot", plot(1, (0, 6, "setup")), plot(2, (1, 6, "setup")), plot(3, (1, 9, "setup")))]
    result = attached(section.model_copy(update={"min_kappa": -1.0, "min_common": 1}), dumped(tasks)).layers[2]
    assert [(r.start, r.end, r.label) for r in result.resolved] == [(101, 106, "setup")]
    assert [(d.start, d.end, d.values["1"]) for d in result.disagreements] == [(100, 101, "setup"), (106, 109, "")]
    assert result.disagreements[1].excerpt == item().text[6:9]


def test_two_spans_that_touch_stay_two():
    answers = [[Span(0, 2), Span(2, 4)], [Span(0, 2), Span(2, 5)], [Span(0, 4)]]
    assert agreed(answers, 0, 6) == [(0, 2, 1.0), (2, 4, 1.0)]
    assert contested(answers, 0, 6) == [(4, 5)]


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda p: Span(p[0], p[0] + p[1])), max_size=6)


@given(st.lists(spans, min_size=1, max_size=4))
def test_every_stretch_that_is_agreed_has_more_than_half_of_the_votes_everywhere(answers):
    for start, end, share in agreed(answers, 0, 40):
        for at in range(start, end):
            assert 2 * sum(any(s.start <= at < s.end for s in one) for one in answers) > len(answers)
        assert 0.5 < share <= 1.0


@given(spans, spans)
def test_no_utterance_is_matched_twice(first, second):
    found = matched(sorted(set(first)), sorted(set(second)))
    assert len({a for a, _ in found}) == len({b for _, b in found}) == len(found)


TALK = "老殘問道：“你去麼？”德夫人道：“不去。”"


def talk(who, speaker, tone="calm", end=11):
    return annotation(
        who, region("talk", 5, end, TALK[5:end], "utterance"),
        part("talk-speaker", "textarea", 5, end, speaker), part("talk-tone", "choices", 5, end, tone),
    )  # fmt: skip


def test_speakers_and_tones_are_compared_on_the_utterances_that_both_marked(section):
    names = [("老殘", "老殘 "), ("Holmes", "ＨＯＬＭＥＳ"), ("Watson", "Holmes"), ("老殘", "老殘")]
    tasks = [task(item(n, TALK), "talk", talk(1, a), talk(2, b, end=10)) for n, (a, b) in enumerate(names)]
    tasks.append(task(item(9, TALK), "talk", talk(1, "老殘"), annotation(2)))
    rows = {p.label: p for p in attached(section, dumped(tasks)).layers[3].pairs}
    expected = cohen_kappa_score(["老殘", "holmes", "watson", "老殘"], ["老殘", "holmes", "holmes", "老殘"])
    assert (rows["speaker"].common, rows["utterance"].common) == (4, 5)
    assert rows["speaker"].kappa.value == pytest.approx(expected)
    assert rows["calm"].kappa.value is None
    assert rows["addressee"].common == 0


def test_a_speaker_is_used_only_where_speakers_are_agreed_upon(section):
    names = [("老殘", "老殘"), ("Holmes", "holmes"), ("Watson", "Holmes"), ("A", "B"), ("B", "A")]
    tasks = [task(item(n, TALK), "talk", talk(1, a), talk(2, b)) for n, (a, b) in enumerate(names)]
    strict = attached(section, dumped(tasks))
    assert {(r.label, r.speaker) for r in strict.layers[3].resolved} == {("calm", "")}
    loose = attached(section.model_copy(update={"min_kappa": -1.0}), dumped(tasks))
    assert [r.speaker for r in loose.layers[3].resolved] == ["老殘", "Holmes", "", "", ""]
    first = loose.disagreements[0]
    assert (first.about, first.values) == ("speaker", {"1": "Watson", "2": "Holmes"})
    assert loose.by_chapter["0123456789ab:00000"] == ["talk=calm"]


def test_the_report_and_the_table_are_the_same_whatever_the_order_of_the_files(section):
    one = genre_file((W, W), (Y, W), (S, S))
    two = dumped([task(item(7), "plot", plot(1, (0, 2, "setup")), plot(2, (0, 3, "setup")))])
    first = attach(labels_of({"a": one, "b": two}, section), None)
    second = attach(labels_of({"b": two, "a": one}, section), None)
    assert first.report == second.report
    assert first.table.equals(second.table)


def test_a_recipe_without_labels_gives_an_empty_account():
    found = attach(labels_of({}, LabelsSection()), [])
    assert (found.by_chapter, found.table.num_rows, found.report["layers"]) == ({}, 0, [])
