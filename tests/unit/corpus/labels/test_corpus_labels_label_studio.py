import json

import pytest
from label_files import annotation, choice, data, dumped, item, part, region, task

from novelray.corpus.labels.kinds import Span
from novelray.corpus.labels.read import read_labels

TALK = "老殘問道：“你去麼？”德夫人道：“不去。”"


def read(section, *tasks, name="ann.json"):
    return read_labels({name: dumped(list(tasks))}, section)


def test_every_annotator_of_a_task_is_read_with_the_choice(section):
    readings = read(
        section,
        task(
            item(),
            "genre",
            annotation(1, choice("genre", "武侠")),
            annotation({"id": 2, "email": "bo@example.org", "first_name": "Bo"}, choice("genre", "言情")),
        ),
    )
    assert [(a.annotator, set(a.choices)) for a in readings.annotations] == [("1", {"武侠"}), ("bo", {"言情"})]
    assert readings.annotations[0].item == item()
    assert not readings.quarantine
    assert not readings.problems


def test_a_skipped_task_is_no_answer(section):
    readings = read(
        section, task(item(), "genre", annotation(1, was_cancelled=True), annotation(2, choice("genre", "武侠")))
    )
    assert [a.annotator for a in readings.annotations] == ["2"]
    assert readings.problems == {("ann.json", "skipped by the annotator"): 1}


def test_predictions_and_drafts_are_no_answers(section):
    guess = [{"model_version": "novelray", "result": [choice("genre", "武侠")]}]
    assert not read(section, task(item(), "genre", predictions=guess, drafts=guess)).annotations


def test_ground_truth_is_known_as_such(section):
    readings = read(section, task(item(), "genre", annotation(1, choice("genre", "武侠"), ground_truth=True)))
    assert readings.annotations[0].truth


def test_no_choice_is_an_answer_only_where_several_may_hold(section):
    assert not read(section, task(item(), "genre", annotation(1))).annotations
    assert [a.choices for a in read(section, task(item(), "mood", annotation(1))).annotations] == [frozenset()]
    assert [a.spans for a in read(section, task(item(), "plot", annotation(1))).annotations] == [()]


def test_a_label_that_the_recipe_does_not_have_is_left_out_and_told(section):
    readings = read(section, task(item(), "mood", annotation(1, choice("mood", "dark", "sad"))))
    assert readings.annotations[0].choices == {"dark"}
    assert readings.problems == {("ann.json", "'sad' is no label of the layer 'mood'"): 1}


def test_two_answers_to_a_question_that_takes_one_are_none(section):
    readings = read(section, task(item(), "genre", annotation(1, choice("genre", "武侠", "言情"))))
    assert not readings.annotations
    assert readings.problems == {("ann.json", "more than one answer to 'genre', which takes one"): 1}


def test_a_rating_and_a_taxonomy_are_choices(section):
    levels = section.model_copy(update={"layers": (section.layers[0].model_copy(update={"labels": ("4", "木")}),)})
    rating = {"value": {"rating": 4}, "id": "a", "from_name": "genre", "to_name": "text", "type": "rating"}
    taxonomy = {
        "value": {"taxonomy": [["樹", "木"]]},
        "id": "a",
        "from_name": "genre",
        "to_name": "text",
        "type": "taxonomy",
    }
    assert [a.choices for a in read(levels, task(item(), "genre", annotation(1, rating))).annotations] == [{"4"}]
    assert [a.choices for a in read(levels, task(item(), "genre", annotation(1, taxonomy))).annotations] == [{"木"}]


def test_a_region_is_a_span_of_the_chapter(section):
    readings = read(section, task(item(start=300), "plot", annotation(1, region("plot", 2, 6, "提劍下山", "setup"))))
    assert readings.annotations[0].spans == (Span(302, 306, "setup"),)


@pytest.mark.parametrize(
    ("start", "end"), [(5, 7), (7, 9)], ids=["code points: since 2022", "UTF-16 code units: before"]
)
def test_regions_behind_characters_beyond_the_bmp_are_found_by_their_text(section, start, end):
    one = item(text="𠮷野家的𠮷先生来了。")
    readings = read(section, task(one, "plot", annotation(1, region("plot", start, end, "先生", "setup"))))
    assert readings.annotations[0].spans == (Span(105, 107, "setup"),)


def test_a_region_over_two_lines_is_found_though_its_text_has_a_backslash_and_an_n(section):
    one = item(text="𠮷。\n下雪了。")
    readings = read(section, task(one, "plot", annotation(1, region("plot", 0, 5, "𠮷。\\n下雪", "setup"))))
    assert readings.annotations[0].spans == (Span(100, 105, "setup"),)


def test_line_ends_that_became_crlf_do_not_shift_a_region(section):
    one = item(text="一\n二\n三四五")
    changed = task(one, "plot", annotation(1, region("plot", 6, 8, "三四", "setup")))
    changed["data"]["text"] = one.text.replace("\n", "\r\n")
    readings = read(section, changed)
    assert readings.annotations[0].spans == (Span(104, 106, "setup"),)
    assert readings.annotations[0].item.text == one.text


@pytest.mark.parametrize(
    "place", [(2, 6, "别的文字"), (2, 600, "x"), (-1, 4, "少年"), ("2", 4, "x"), (True, 4, "x"), (6, 6, "")]
)
def test_a_region_on_other_words_or_outside_the_text_is_left_out_and_told(section, place):
    readings = read(section, task(item(), "plot", annotation(1, region("plot", *place, "setup"))))
    assert readings.annotations[0].spans == ()
    assert sum(readings.problems.values()) == 1


def test_a_region_without_its_text_is_taken_by_code_points(section):
    one = item(text="𠮷野家")
    bare = region("plot", 1, 3, "", "setup")
    del bare["value"]["text"]
    assert read(section, task(one, "plot", annotation(1, bare))).annotations[0].spans == (Span(101, 103, "setup"),)


def test_an_utterance_gets_its_speaker_addressee_and_tone(section):
    readings = read(
        section,
        task(
            item(text=TALK),
            "talk",
            annotation(
                1,
                region("talk", 5, 11, "“你去麼？”", "utterance", key="a"),
                part("talk-speaker", "textarea", 5, 11, "老殘", key="a"),
                part("talk-addressee", "textarea", 5, 11, "德夫人", key="a"),
                part("talk-tone", "choices", 5, 11, "calm", key="a"),
                region("talk", 16, 21, "“不去。”", "utterance", key="b"),
            ),
        ),
    )
    assert readings.annotations[0].spans == (Span(105, 111, "calm", "老殘", "德夫人"), Span(116, 121))


@pytest.mark.parametrize("direction", ["right", "left"])
def test_a_relation_to_the_place_where_the_speaker_is_named_names_the_speaker(section, direction):
    ends = {"from_id": "a", "to_id": "n"} if direction == "right" else {"from_id": "n", "to_id": "a"}
    readings = read(
        section,
        task(
            item(text=TALK),
            "talk",
            annotation(
                1,
                region("talk", 5, 11, "“你去麼？”", "utterance", key="a"),
                region("talk", 0, 2, "老殘", "speaker", key="n"),
                {"type": "relation", "direction": direction, "labels": ["speaker"], **ends},
            ),
        ),
    )
    assert readings.annotations[0].spans == (Span(105, 111, "", "老殘"),)


def test_json_min_is_read_with_one_choice_many_choices_and_regions(section):
    base = {"id": 3, "annotator": 1, "annotation_id": 9, "created_at": "c", "updated_at": "u", "lead_time": 2.5}
    rows = [
        {**data(item(0), "genre"), "genre": "武侠", **base},
        {**data(item(1), "mood"), "mood": {"choices": ["dark", "funny"]}, **base, "annotator": "ann@example.org"},
        {**data(item(2), "plot"), "plot": [{"start": 0, "end": 2, "text": "少年", "labels": ["setup"]}], **base},
        {**data(item(3), "mood"), **base, "annotation_id": None, "annotator": None},
    ]
    readings = read(section, *rows)
    assert [(a.layer, a.annotator, set(a.choices)) for a in readings.annotations[:2]] == [
        ("genre", "1", {"武侠"}),
        ("mood", "ann", {"dark", "funny"}),
    ]
    assert readings.annotations[2].spans == (Span(100, 102, "setup"),)
    assert len(readings.annotations) == 3


def test_json_min_keeps_utterances_and_says_that_their_speakers_are_lost(section):
    row = {
        **data(item(text=TALK), "talk"), "id": 1, "annotator": 1, "annotation_id": 2, "lead_time": 1.0,
        "talk": [{"start": 5, "end": 11, "text": "“你去麼？”", "labels": ["utterance"]}], "talk-speaker": "老殘",
    }  # fmt: skip
    readings = read(section, row)
    assert readings.annotations[0].spans == (Span(105, 111),)
    assert "export JSON" in next(iter(readings.problems))[1]


def test_two_e_mail_addresses_that_begin_alike_stay_two_people(section):
    people = ({"email": "bo@one.org"}, {"email": "bo@two.org"})
    readings = read(section, task(item(), "genre", *(annotation(who, choice("genre", "武侠")) for who in people)))
    assert [a.annotator for a in readings.annotations] == ["bo@one.org", "bo@two.org"]


def test_a_file_for_each_annotator_is_told_apart_by_the_recipe(section):
    named = section.model_copy(update={"annotators": ("*ann*=ann", "*bo*=bo")})
    one = dumped([task(item(), "genre", annotation(1, choice("genre", "武侠")))])
    two = dumped([task(item(), "genre", annotation(1, choice("genre", "言情")))])
    readings = read_labels({"project-ann.json": one, "project-bo.json": two}, named)
    assert [a.annotator for a in readings.annotations] == ["ann", "bo"]


def test_of_two_answers_of_one_person_the_later_one_counts(section):
    early = annotation(1, choice("genre", "武侠"), updated_at="2025-03-02T09:00:00.000000Z")
    late = annotation(1, choice("genre", "言情"), updated_at="2025-03-03T09:00:00.000000Z")
    readings = read(section, task(item(), "genre", late, early))
    assert [set(a.choices) for a in readings.annotations] == [{"言情"}]
    assert sum(readings.problems.values()) == 1


def test_broken_parts_of_a_file_are_left_out_and_the_rest_is_read(section):
    broken = [None, 7, {"data": None}, {"data": {"text": 3}}, {"annotations": "x"}]
    odd = annotation(1, None, "x", {"type": "choices"}, {"from_name": "genre", "value": []}, choice("genre", "武侠"))
    readings = read(section, *broken, task(item(), "genre", odd, "no annotation", {"result": None}))
    assert [set(a.choices) for a in readings.annotations] == [{"武侠"}]
    assert json.dumps([list(k) for k in readings.problems])
