"""Heads: what they read of packed rows, how they lie in a folder, and the figures of a classifier."""

import json

import numpy as np
import pytest
import torch
from sklearn import metrics

from novelray.errors import ModelError
from novelray.models.confusion import accuracy, confusion, macro_f1
from novelray.models.heads import Head, document_means, read_heads, write_heads

HEAD = Head("style", "voice", ("plain", "华丽"), torch.randn(2, 4), torch.randn(2))


def test_a_document_is_the_mean_of_its_own_tokens_and_of_no_others():
    positions = torch.tensor([[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5]])
    hidden = torch.randn(2, 6, 3)
    means = document_means(hidden, positions, 3)
    torch.testing.assert_close(means[0, 0], hidden[0, :3].mean(0))
    torch.testing.assert_close(means[0, 1], hidden[0, 3:5].mean(0))
    torch.testing.assert_close(means[0, 2], hidden[0, 5])
    torch.testing.assert_close(means[1, 0], hidden[1].mean(0))
    assert not means[1, 1:].any()


def test_the_figures_are_those_of_scikit_learn():
    random = np.random.default_rng(3)
    truth, said = random.integers(0, 4, 200), random.integers(0, 5, 200)  # no document is of class 4
    counts = confusion(np.append(truth, -1), np.append(said, 0), 6)  # class 5 never occurs; the last has no label
    assert counts.tolist() == metrics.confusion_matrix(truth, said, labels=range(6)).tolist()
    assert accuracy(counts) == pytest.approx(metrics.accuracy_score(truth, said))
    assert macro_f1(counts) == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    assert (accuracy(counts * 0), macro_f1(counts * 0)) == (0.0, 0.0)


def test_heads_are_read_as_they_were_written(tmp_path):
    write_heads([HEAD], tmp_path)
    (found,) = read_heads(tmp_path)
    assert (found.name, found.label, found.classes) == ("style", "voice", ("plain", "华丽"))
    assert torch.equal(found.weight, HEAD.weight)
    assert torch.equal(found.bias, HEAD.bias)
    assert json.loads((tmp_path / "heads" / "heads.json").read_text("utf-8"))["heads"][0]["pooling"] == "mean"


def test_a_folder_without_heads_has_none(tmp_path):
    write_heads([], tmp_path)
    assert read_heads(tmp_path) == ()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "heads.json").write_text("{"),
        lambda folder: (folder / "heads.json").write_text((folder / "heads.json").read_text().replace("mean", "last")),
        lambda folder: (folder / "heads.safetensors").write_bytes(b"torn"),
        lambda folder: (folder / "heads.safetensors").unlink(),
    ],
    ids=["torn description", "another pooling", "torn weights", "no weights"],
)
def test_heads_that_cannot_be_used_are_told_with_their_place(tmp_path, spoil):
    write_heads([HEAD], tmp_path)
    spoil(tmp_path / "heads")
    with pytest.raises(ModelError, match=str(tmp_path)):
        read_heads(tmp_path)


def test_a_head_that_learns_on_keeps_what_it_knows_of_its_classes():
    grown = Head.fresh("style", "voice", ["a new one", "plain"], 4).grown_from(HEAD)
    assert grown.classes == ("a new one", "plain", "华丽")
    assert torch.equal(grown.weight[1:], HEAD.weight)
    assert torch.equal(grown.bias[1:], HEAD.bias)
    assert not grown.weight[0].any()
