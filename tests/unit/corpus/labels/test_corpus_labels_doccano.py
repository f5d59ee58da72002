import io
import zipfile

import pytest
from label_files import data, item, lines

from novelray.corpus.labels.kinds import Span
from novelray.corpus.labels.read import read_labels

TALK = "老殘問道：“你去麼？”德夫人道：“不去。”"


def row(one, layer, **labels):
    return {"id": 41, **data(one, layer), **labels, "Comments": []}


def test_the_annotator_is_the_files_name_and_the_label_column_is_read(section):
    rows = [row(item(0), "genre", label=["武侠"]), row(item(1), "genre", label=["言情"])]
    readings = read_labels({"admin.jsonl": lines(rows)}, section)
    assert [(a.annotator, set(a.choices)) for a in readings.annotations] == [("admin", {"武侠"}), ("admin", {"言情"})]


@pytest.mark.parametrize("column", ["label", "labels", "entities"])
def test_spans_are_read_from_each_column_that_doccano_has_used(section, column):
    readings = read_labels({"a.jsonl": lines([row(item(), "plot", **{column: [[0, 2, "setup"]]})])}, section)
    assert readings.annotations[0].spans == (Span(100, 102, "setup"),)


@pytest.mark.parametrize(("unit", "place"), [("utf16", (6, 8)), ("grapheme", (4, 6)), ("codepoint", (5, 7))])
def test_offsets_are_counted_as_the_project_does(section, unit, place):
    one = item(text="𠮷e\u0301\n野先生先生")
    told = section.model_copy(update={"doccano_offsets": unit})
    readings = read_labels({"a.jsonl": lines([row(one, "plot", label=[[*place, "setup"]])])}, told)
    assert readings.annotations[0].spans == (Span(105, 107, "setup"),)


def test_an_offset_inside_a_surrogate_pair_is_widened_to_the_character(section):
    readings = read_labels({"a.jsonl": lines([row(item(text="𠮷野家"), "plot", label=[[1, 3, "setup"]])])}, section)
    assert readings.annotations[0].spans == (Span(100, 102, "setup"),)


def test_crlf_counts_as_the_tool_counts_it(section):
    one = item(text="一\n二三")
    for unit, place in (("utf16", (3, 4)), ("grapheme", (2, 3))):
        told = section.model_copy(update={"doccano_offsets": unit})
        changed = row(one, "plot", label=[[*place, "setup"]])
        changed["text"] = "一\r\n二三"
        assert read_labels({"a.jsonl": lines([changed])}, told).annotations[0].spans == (Span(102, 103, "setup"),)


def test_an_utterance_has_its_speaker_by_a_relation(section):
    entities = [
        {"id": 7, "label": "angry", "start_offset": 5, "end_offset": 11},
        {"id": 8, "label": "speaker", "start_offset": 0, "end_offset": 2},
        {"id": 9, "label": "utterance", "start_offset": 16, "end_offset": 21},
        {"id": 10, "label": "speaker", "start_offset": 11, "end_offset": 14},
    ]
    relations = [
        {"id": 1, "from_id": 7, "to_id": 8, "type": "speaker"},
        {"id": 2, "from_id": 7, "to_id": 10, "type": "addressee"},
    ]
    rows = [row(item(text=TALK), "talk", entities=entities, relations=relations)]
    readings = read_labels({"a.jsonl": lines(rows)}, section)
    assert readings.annotations[0].spans == (Span(105, 111, "angry", "老殘", "德夫人"), Span(116, 121))


def test_a_text_without_labels_is_one_that_its_annotator_has_not_seen(section):
    readings = read_labels({"a.jsonl": lines([row(item(), "plot", label=[])])}, section)
    assert not readings.annotations
    assert sum(readings.problems.values()) == 1


def test_a_zip_has_a_file_for_each_person_and_nothing_of_it_is_unpacked(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("ann.jsonl", lines([row(item(), "genre", label=["武侠"])]))
        out.writestr("../../bo.jsonl", lines([row(item(), "genre", label=["言情"])]))
        out.writestr("readme.txt", "not a label file")
    readings = read_labels({"export.zip": archive.getvalue()}, section)
    assert [a.annotator for a in readings.annotations] == ["ann", "bo"]
    assert not list(tmp_path.rglob("*"))


def test_classes_and_spans_of_one_row_are_told_apart_by_the_layer(section):
    mixed = {"cats": ["武侠"], "entities": [[0, 2, "setup"]]}
    readings = read_labels({"a.jsonl": lines([row(item(), "plot", **mixed)])}, section)
    assert readings.annotations[0].spans == (Span(100, 102, "setup"),)
    assert not readings.annotations[0].choices
