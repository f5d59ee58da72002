import json
from collections import Counter
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_corpus import BOOKS, corpus, text_of
from label_files import annotation, choice, dumped, lines

from novelray.corpus.labels import attach, labels_of
from novelray.corpus.labels.export import Wanted, check_people, choose, files_for, write_new
from novelray.corpus.labels.pieces import Meta, assigned, pieces, spread
from novelray.corpus.labels.quotes import utterances
from novelray.corpus.labels.source import known
from novelray.errors import CorpusError

GENRE, MOOD, PLOT, TALK = range(4)


@pytest.fixture
def artifact(artifacts):
    return corpus(artifacts, {}, {})


def chosen(artifact, section, layer, count, files=None, seed=1):
    attached = attach(labels_of(files or {}, section), known(artifact))
    return choose(artifact, Wanted(section.layers[layer], count), section, attached, seed)


@given(st.text(st.sampled_from("一二\n 　。"), max_size=900), st.integers(1, 60), st.data())
def test_pieces_follow_each_other_within_the_limit_and_lose_only_whitespace(text, limit, draw):
    scenes = sorted({0, *draw.draw(st.lists(st.integers(0, len(text)), max_size=5))})
    found = pieces(text, scenes, limit)
    assert all(end - start <= limit for start, end in found)
    places = [at for start, end in found for at in range(start, end)]
    assert places == sorted(set(places))
    assert all(text[at].isspace() for at in set(range(len(text))) - set(places))


def test_a_piece_begins_where_a_scene_does():
    text = text_of("jianghu", 0)
    second = text.index("* * *")
    assert second in [start for start, _ in pieces(text, [0, second], 2_000)]


@given(st.integers(1, 4), st.integers(1, 30))
def test_any_beginning_of_the_draw_is_fair_to_genres(genres, chapters):
    found = [Meta(f"{g}{b}{c}", f"{g}{b}", str(g)) for g in range(genres) for b in range(2) for c in range(chapters)]
    order = spread(found, "seed")
    assert sorted(order) == sorted(m.chapter_id for m in found)
    for size in range(1, len(order)):
        share = Counter(one[0] for one in order[:size])
        assert max(share.values()) - min(share.get(str(g), 0) for g in range(genres)) <= 1


@given(st.integers(0, 50), st.integers(1, 5), st.floats(0, 1))
def test_every_text_has_an_annotator_and_the_share_two(count, people, overlap):
    names = [f"p{n}" for n in range(people)]
    given_to = Counter(one for _, mine in assigned(range(count), names, overlap) for one in mine)
    assert set(given_to) == set(range(count))
    assert sum(n == 2 for n in given_to.values()) == (round(overlap * count) if people > 1 else 0)
    assert max(given_to.values(), default=1) <= 2


def test_genres_and_books_take_turns_and_nothing_that_was_made_is_shown(artifact, section):
    found = chosen(artifact, section, GENRE, 8)
    assert Counter(BOOKS[t.book] for t in found) == {"武侠": 4, "言情": 4}
    assert Counter(t.book for t in found) == {"jianghu": 2, "xueshan": 2, "huayuan": 4}
    assert all(t.item.chapter_id != "0a0a0a0a0a0a:00000" for t in chosen(artifact, section, GENRE, 500))


def test_the_draw_is_the_seeds(artifact, section):
    keys = [[t.item.key for t in chosen(artifact, section, GENRE, 6, seed=seed)] for seed in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]


def test_when_more_texts_are_asked_for_than_chapters_these_give_several(artifact, section):
    found = chosen(artifact, section, GENRE, 30)
    assert len({t.item.key for t in found}) == 30
    assert max(Counter(t.item.chapter_id for t in found).values()) <= 3
    assert len(chosen(artifact, section, GENRE, 500)) == 36  # three scenes in each of twelve chapters


def test_a_text_is_a_stretch_of_its_chapter(artifact, section):
    for text in chosen(artifact, section, GENRE, 36):
        index = int(text.item.chapter_id[-5:])
        assert text_of(text.book, index)[text.item.start : text.item.end] == text.item.text


def answered(tasks: bytes, layer: str, *labels: str, people=("ann", "bo")) -> bytes:
    rows = json.loads(tasks)
    for at, row in enumerate(rows):
        row["id"] = at
        row["annotations"] = [annotation(who, choice(layer, labels[at % len(labels)])) for who in people]
        del row["meta"]
    return dumped(rows)


def exported(artifact, section, layer, count, prefill=True):
    wanted = Wanted(section.layers[layer], count, prefill=prefill)
    attached = attach(labels_of({}, section), known(artifact))
    return files_for(choose(artifact, wanted, section, attached, 1), "label-studio", wanted, section)


def test_what_is_exported_comes_back_and_reaches_its_chapters(artifact, section):
    tasks = exported(artifact, section, GENRE, 12)["genre.json"]
    found = attach(labels_of({"a.json": answered(tasks, "genre", "武侠", "言情")}, section), known(artifact))
    assert not found.quarantine
    assert not found.problems
    assert len(found.by_chapter) == 12
    assert sorted({label for labels in found.by_chapter.values() for label in labels}) == ["genre=武侠", "genre=言情"]


def test_a_text_that_was_judged_is_not_exported_again(artifact, section):
    files = {"a.json": answered(exported(artifact, section, GENRE, 20)["genre.json"], "genre", "武侠")}
    more = chosen(artifact, section, GENRE, 500, files)
    assert len(more) == 16
    assert not {t.item.key for t in more} & {i.key for i in attach(labels_of(files, section), None).layers[0].items}


def test_a_detail_layer_is_exported_only_where_the_earlier_one_is_settled_as_asked(artifact, section):
    assert chosen(artifact, section, PLOT, 10) == []
    tasks = exported(artifact, section, GENRE, 12)["genre.json"]
    files = {"a.json": answered(tasks, "genre", "武侠", "言情")}
    settled = attach(labels_of(files, section), known(artifact))
    wuxia = {(r.chapter_id, r.start, r.end) for r in settled.layers[0].resolved if r.label == "武侠"}
    assert {t.item.key for t in chosen(artifact, section, PLOT, 100, files)} == wuxia
    assert len(wuxia) == 6


def test_a_prediction_is_what_was_measured(artifact, section):
    layers = [
        {"name": "view", "labels": ["first person", "letters"]},
        *(layer.model_dump() for layer in section.layers),
    ]
    told = type(section)(layers=layers)
    row = json.loads(exported(artifact, told, 0, 1)["view.json"])[0]
    assert row["predictions"][0]["result"][0]["value"] == {"choices": ["first person"]}
    assert row["predictions"][0]["result"][0]["to_name"] == "text"
    assert "predictions" not in json.loads(exported(artifact, told, 0, 1, prefill=False)["view.json"])[0]


def test_predicted_utterances_are_regions_that_come_back_as_they_went(artifact, section):
    rows = json.loads(exported(artifact, section, TALK, 3)["talk.json"])
    for row in rows:
        row["annotations"] = [annotation(1, *row["predictions"][0]["result"])]
    readings = labels_of({"a.json": dumped(rows)}, section).readings
    assert not readings.problems
    one = readings.annotations[0]
    shown = [one.item.text[s.start - one.item.start : s.end - one.item.start] for s in one.spans]
    assert len(shown) == 12
    assert set(shown) == {"“你去哪里？”"}
    assert {s.speaker for s in one.spans} == {"𠮷先生"}


@pytest.mark.parametrize("unit", ["utf16", "grapheme", "codepoint"])
def test_doccano_rows_come_back_as_they_went(artifact, section, unit):
    told = section.model_copy(update={"doccano_offsets": unit})
    wanted = Wanted(told.layers[TALK], 2, prefill=True)
    found = choose(artifact, wanted, told, attach(labels_of({}, told), known(artifact)), 1)
    files = files_for(found, "doccano", wanted, told)
    readings = labels_of({"ann.jsonl": files["talk.jsonl"]}, told).readings
    assert [len(a.spans) for a in readings.annotations] == [12, 12]
    assert {s.speaker for a in readings.annotations for s in a.spans} == {"𠮷先生"}
    types = [kind["text"] for kind in json.loads(files["talk.labels.json"])]
    assert types == ["utterance", "speaker", "angry", "calm"]


def test_doccano_gets_empty_labels_unless_prefilling_is_asked_for(artifact, section):
    wanted = Wanted(section.layers[GENRE], 2, prefill=False)
    found = choose(artifact, wanted, section, attach(labels_of({}, section), known(artifact)), 1)
    rows = [json.loads(line) for line in files_for(found, "doccano", wanted, section)["genre.jsonl"].splitlines()]
    assert [row["label"] for row in rows] == [[], []]
    assert all(not isinstance(value, dict) for row in rows for value in row.values())  # Doccano's metadata is flat


def test_the_configuration_has_a_control_for_each_question_and_its_labels(artifact, section):
    def controls(layer, name):
        view = ElementTree.fromstring(exported(artifact, section, layer, 1)[f"{name}.config.xml"])
        return {
            (c.tag, c.get("name")): [option.get("value") for option in c] for c in view if c.get("toName") == "text"
        }

    assert controls(GENRE, "genre") == {("Choices", "genre"): ["武侠", "言情", "science fiction"]}
    assert controls(TALK, "talk") == {
        ("Labels", "talk"): ["utterance"],
        ("TextArea", "talk-speaker"): [],
        ("TextArea", "talk-addressee"): [],
        ("Choices", "talk-tone"): ["angry", "calm"],
    }


def test_a_label_with_xml_signs_is_escaped(artifact):
    from novelray.corpus.labels.tasks import label_studio_config
    from novelray.recipe.labels import LayerSection

    label = 'a<b & "c"'
    view = ElementTree.fromstring(label_studio_config(LayerSection(name="x", labels=[label])))
    assert [c.get("value") for c in view.iter("Choice")] == [label]


def test_each_annotator_has_a_file_and_shared_texts_come_first(artifact, section):
    wanted = Wanted(section.layers[GENRE], 10, ("ann", "bo"), 0.4)
    found = choose(artifact, wanted, section, attach(labels_of({}, section), known(artifact)), 1)
    files = files_for(found, "label-studio", wanted, section)
    keys = [
        [(t["data"]["chapter_id"], t["data"]["start"]) for t in json.loads(files[f"genre-{who}.json"])]
        for who in ("ann", "bo")
    ]
    assert [len(k) for k in keys] == [7, 7]
    assert set(keys[0][:4]) == set(keys[1][:4]) == set(keys[0]) & set(keys[1])


@pytest.mark.parametrize("people", [["../x"], ["a/b"], [""], ["-a"], ["ann", "ann"]])
def test_a_name_that_cannot_be_a_files_is_refused(people):
    with pytest.raises(CorpusError):
        check_people(people)


def test_files_that_someone_may_work_with_are_not_overwritten(tmp_path):
    write_new(tmp_path / "new", {"a": b"1"})
    with pytest.raises(CorpusError, match="is there already"):
        write_new(tmp_path / "new", {"a": b"2", "b": b"3"})
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("玄德曰：“公言極當。”關公亦勸。", [("“公言極當。”", "玄德")]),
        ("寶玉笑道：「我不去。」", [("「我不去。」", "寶玉")]),
        ("「此易事耳。」孔明道。", [("「此易事耳。」", "孔明")]),
        ("“Well,” said Mr. Bennet, “it is so.”", [("“Well,”", "Mr. Bennet"), ("“it is so.”", "")]),
        ('Holmes said, "Come."\n"No!" he cried.', [('"Come."', "Holmes"), ('"No!"', "")]),
        ("没有人说话。", []),
        ("“没有说完的话\n下一行", []),
    ],
)
def test_utterances_are_guessed_with_the_speaker_that_is_named_beside_them(text, expected):
    found = [
        (text[u.start : u.end], text[u.name_start : u.name_end] if u.name_start >= 0 else "") for u in utterances(text)
    ]
    assert found == expected


@pytest.mark.parametrize("text", ["“" * 200_000, '"a' * 100_000, "“一”" + "一" * 300_000, "A " * 150_000 + '"x"'])
def test_the_guess_takes_linear_time(text):
    import time

    start = time.perf_counter()
    list(utterances(text))
    assert time.perf_counter() - start < 2


def test_doccano_lines_have_no_line_end_inside(artifact, section):
    wanted = Wanted(section.layers[GENRE], 3, prefill=False)
    found = choose(artifact, wanted, section, attach(labels_of({}, section), known(artifact)), 1)
    data = files_for(found, "doccano", wanted, section)["genre.jsonl"]
    assert len(data.splitlines()) == 3
    assert data == lines([json.loads(line) for line in data.splitlines()])
