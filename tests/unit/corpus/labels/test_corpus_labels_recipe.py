import pytest
from pydantic import ValidationError

from novelray.recipe.labels import LabelsSection

GENRE = {"name": "genre", "labels": ["武侠"]}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"layers": [{"name": "text", "labels": ["a"]}]}, "taken by the annotation tools"),
        ({"layers": [{"name": "../x", "labels": ["a"]}]}, "pattern"),
        ({"layers": [{"name": "a b", "labels": ["a"]}]}, "pattern"),
        ({"layers": [{"name": "x"}]}, "has no labels"),
        ({"layers": [{"name": "x", "labels": ["a", "a"]}]}, "names a label twice"),
        ({"layers": [{"name": "x", "labels": ["a=b"]}]}, "pattern"),
        ({"layers": [{"name": "x", "kind": "sequence", "labels": ["a"], "multiple": True}]}, "multiple is for"),
        ({"layers": [{"name": "x", "kind": "dialogue", "labels": ["utterance"]}]}, "mean something already"),
        ({"layers": [GENRE, GENRE]}, "two layers are called"),
        ({"layers": [{**GENRE, "after": "plot"}]}, "no layer above it"),
        ({"layers": [GENRE, {"name": "x", "labels": ["a"], "after": "genre=sad"}]}, "no label of 'genre'"),
        (
            {"layers": [{"name": "x", "kind": "dialogue"}, {**GENRE, "name": "x-tone"}]},
            "what the tone in 'x' is called",
        ),
        ({"files": ["a.json"]}, "does not say what was asked"),
        ({"layers": [GENRE], "annotators": ["ann"]}, "pattern=name"),
    ],
)
def test_layers_that_cannot_work_are_refused_with_why(labels, said):
    with pytest.raises(ValidationError, match=said):
        LabelsSection(**labels)


def test_names_and_labels_may_be_chinese():
    layers = [
        {"name": "题材", "labels": ["武侠 / 江湖"]},
        {"name": "情节", "kind": "sequence", "labels": ["高潮"], "after": "题材"},
    ]
    assert LabelsSection(layers=layers).layer("情节").after == "题材"


def test_what_only_an_export_needs_makes_no_other_corpus():
    plain = LabelsSection(layers=[GENRE])
    moved = LabelsSection(layers=[{**GENRE, "unit": "chapter"}], files=["a.json"], piece_chars=9)
    assert plain.identity() == moved.identity()
    assert plain.identity() != LabelsSection(layers=[GENRE], min_kappa=0.5).identity()
