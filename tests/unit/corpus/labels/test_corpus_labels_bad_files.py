import io
import json
import zipfile

import pytest
from label_files import annotation, choice, data, dumped, item, lines, task

from novelray.corpus.labels import Known, attach, check_label_files, digest_of_files, labels_of, read_files
from novelray.corpus.labels import read as reading
from novelray.corpus.labels.read import read_labels
from novelray.errors import CorpusError

GOOD = dumped([task(item(), "genre", annotation(1, choice("genre", "武侠")))])


def zipped(**members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[: len(GOOD) // 2], "torn"),
        (b"", "empty"),
        (b"\x00\xff\xfe\x81", "not UTF-8"),
        (b"[" * 100_000, "too deep"),
        (b"null", "neither"),
        (b"{}", "neither"),
        (b"-DOCSTART- -X- O\nword -X- _ O\n", "not valid JSON"),
        (b"id,text,label\n1,a,b\n", "not valid JSON"),
        (json.dumps([{"filename": "a.png", "regions": []}]).encode(), "neither"),
        (dumped([{"id": 1, "data": {"image": "x.png"}, "annotations": [annotation(1)]}]), "another project"),
        (lines([{"id": 1, "text": "a text", "label": ["武侠"]}]), "another project"),
        (zipped(**{"a.txt": "x"}), "without JSON"),
        (zipped(**{"a.json": GOOD})[:-30], "cannot be read"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_file_that_cannot_be_used_is_set_aside_with_why_and_the_rest_goes_on(section, content, reason):
    readings = read_labels({"bad.json": content, "good.json": GOOD}, section)
    assert [(bad.file, reason in bad.reason) for bad in readings.quarantine] == [("bad.json", True)]
    assert len(readings.annotations) == 1


def test_a_zip_that_unpacks_to_too_much_is_set_aside(section, monkeypatch):
    monkeypatch.setattr(reading, "MAX_BYTES", 10_000)
    readings = read_labels({"bomb.zip": zipped(**{"a.json": b" " * 50_000}), "big.json": b" " * 10_001}, section)
    assert [bad.reason.split()[0:4] for bad in readings.quarantine] == [
        ["larger", "than", "0", "MB"], ["a", "ZIP", "that", "holds"]
    ]  # fmt: skip


def test_a_torn_last_line_costs_only_that_line(section):
    rows = lines([{"id": 1, **data(item(), "genre"), "label": ["武侠"]}]) * 2
    readings = read_labels({"a.jsonl": rows[:-20]}, section)
    assert len(readings.annotations) == 1
    assert any("line 2 is torn" in reason for _, reason in readings.problems)


def test_a_text_that_was_edited_is_not_used(section):
    edited = task(item(), "genre", annotation(1, choice("genre", "武侠")))
    edited["data"]["text"] = item().text.replace("風雪", "風月")
    readings = read_labels({"a.json": dumped([edited])}, section)
    assert not readings.annotations
    assert readings.problems == {("a.json", "the text is not as novelray exported it"): 1}


@pytest.mark.parametrize("column", ["start", "end", "chars", "digest", "chapter_id", "piece"])
@pytest.mark.parametrize("value", [None, "x", -3, 1.5, [1]])
def test_columns_that_were_changed_are_noticed(section, column, value):
    changed = task(item(), "genre", annotation(1, choice("genre", "武侠")))
    changed["data"][column] = value
    readings = read_labels({"a.json": dumped([changed])}, section)
    assert not [a for a in readings.annotations if column != "digest"]
    assert readings.problems or readings.quarantine or column == "digest"


def test_the_same_content_under_two_names_counts_once(section):
    readings = read_labels({"a.json": GOOD, "copy.json": GOOD}, section)
    assert len(readings.annotations) == 1
    assert readings.problems == {("copy.json", "the same content as a.json"): 1}


def test_a_file_of_another_corpus_is_set_aside_and_counted(section):
    other = dumped([task(item(book="ba9876543210"), "genre", annotation(2, choice("genre", "武侠")))])
    found = attach(labels_of({"good.json": GOOD, "other.json": other}, section), [Known("0123456789ab:00000", "d0")])
    assert [(bad.file, "another corpus" in bad.reason) for bad in found.quarantine] == [("other.json", True)]
    assert found.report["layers"][0]["items"] == 1
    assert found.report["quarantine"] == [{"file": "other.json", "reason": found.quarantine[0].reason}]


@pytest.mark.parametrize("known", [Known("0123456789ab:00000", "changed"), Known("0123456789ab:00000", "d0", 4999)])
def test_labels_of_a_chapter_that_has_changed_are_not_used_and_it_is_said(section, known):
    loose = section.model_copy(update={"min_common": 0})
    found = attach(labels_of({"a.json": GOOD}, loose), [known])
    assert not found.by_chapter
    assert found.table.num_rows == 0
    assert [reason for _, reason in found.problems] == ["of a chapter that has changed since the export: not used"]
    assert attach(labels_of({"a.json": GOOD}, loose), [Known("0123456789ab:00000", "d0", 5000)]).by_chapter


def test_past_the_recipes_share_of_label_files_set_aside_the_stage_stops_and_says_which(section):
    good = {f"{who}.json": dumped([task(item(), "genre", annotation(who, choice("genre", "武侠")))]) for who in "abc"}
    attached = attach(labels_of({**good, "torn.json": b"["}, section), [Known(item().chapter_id, "d0")])
    assert (len(attached.quarantine), attached.files) == (1, 4)
    check_label_files(attached, 0.25)
    with pytest.raises(CorpusError, match=r"1 of 4 label files .* \(20%\): torn\.json: torn"):
        check_label_files(attached, 0.2)
    with pytest.raises(CorpusError, match="1 of 1 label files"):
        check_label_files(attach(labels_of({"torn.json": b"["}, section), []), 1.0)
    check_label_files(attach(labels_of({}, section), []), 0.0)


def test_the_digest_of_label_files_is_their_content_wherever_they_lie():
    assert digest_of_files({"x/a.json": GOOD, "b.json": b"1"}) == digest_of_files({"b.json": b"1", "y/a.json": GOOD})
    assert digest_of_files({"a.json": GOOD}) != digest_of_files({"a.json": GOOD + b" "})
    assert digest_of_files({}) == ""


def test_label_files_are_found_by_glob_and_named_without_this_machines_folders(tmp_path):
    for name in ("one/a.json", "two/a.json", "two/b.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert sorted(read_files([f"{tmp_path}/*/*.json", f"{tmp_path}/none*.json"])) == [
        "b.json",
        "one/a.json",
        "two/a.json",
    ]


def test_a_label_file_that_is_named_and_not_there_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="There is no label file"):
        read_files([f"{tmp_path}/a.json"])
    with pytest.raises(CorpusError, match="cannot be read"):
        read_files([str(tmp_path)])
