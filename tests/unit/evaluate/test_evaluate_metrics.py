"""Scores against values counted by hand, and the perplexity against the library's own loss."""

import itertools
import math

import numpy as np
import pytest
import torch

from novelray.evaluate.metrics import distinct, perplexity, repetition


def test_perplexity_is_e_to_the_mean_loss():
    assert perplexity(math.log(7.0) * 12, 12) == pytest.approx(7.0)
    assert perplexity(0.0, 5) == 1.0
    assert math.isfinite(perplexity(1e9, 1)), "a hopeless model has a number too"
    assert perplexity(0.0, 0) == 1.0


@pytest.mark.parametrize(
    ("tokens", "n", "expected"),
    [
        ([1, 2, 3, 4], 2, 0.0),
        ([1, 2, 1, 2, 1], 2, 0.5),  # 12 21 12 21: two of four were there before
        ([1, 2, 1, 2, 1], 1, 0.6),
        ([5] * 11, 3, 8 / 9),
        ([1, 2], 3, 0.0),
        ([], 1, 0.0),
    ],
)
def test_rep_n_is_the_share_of_ngrams_that_the_text_had_before(tokens, n, expected):
    assert repetition(tokens, n) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("texts", "n", "expected"),
    [
        ([[1, 2], [1, 2]], 1, 0.5),
        ([[1, 2, 3], [1, 2, 4]], 2, 0.75),  # 12 23 12 24
        ([[1], [2]], 2, 0.0),
        ([], 1, 0.0),
        ([[1, 2], [2, 1]], 2, 1.0),  # no n-gram spans two texts
    ],
)
def test_distinct_n_is_different_ngrams_over_all_of_all_texts(texts, n, expected):
    assert distinct(texts, n) == pytest.approx(expected)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """(model, tokenizer, held-out rows) of random weights."""
    from support import training

    from novelray.shards.rows import open_rows
    from novelray.storage import Artifacts, Store
    from novelray.train.setup import build_model, folder_of, load_tokenizer

    folder = tmp_path_factory.mktemp("score")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder)
    rows = open_rows(job.artifacts.get(job.shards).local(), "heldout")
    return build_model(job, bf16=False).eval(), load_tokenizer(folder_of(job.tokenizer, job)), rows


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 3, 10_000])
def test_the_held_out_perplexity_is_that_of_a_plain_transformers_loss(scored, most):
    """Each document by itself, unpacked, through the library's own loss."""
    from novelray.evaluate.score import held_out_loss

    model, _, rows = scored
    batch = rows.batch(np.arange(min(most, len(rows))))
    total, count = 0.0, 0
    for ids, positions, mask in zip(batch.input_ids, batch.position_ids, batch.mask, strict=True):
        starts = [*np.flatnonzero(positions == 0), len(ids)]
        for begin, end in itertools.pairwise(starts):
            trained = int(mask[begin:end].sum())
            if trained == 0:
                continue
            document = torch.from_numpy(ids[begin : begin + trained + 1])[None]
            with torch.no_grad():
                loss = model(input_ids=document, labels=document).loss.item()
            total, count = total + loss * trained, count + trained
    ours = held_out_loss(model, rows, most)
    assert ours[1] == count
    assert perplexity(*ours) == pytest.approx(math.exp(total / count), rel=1e-4)


def test_scores_are_the_same_each_time_and_in_percent(scored):
    from novelray.evaluate.score import score
    from novelray.recipe.evaluate import EvaluateSection

    section = EvaluateSection(rows=4, sample_tokens=12, ngrams=(1, 2))
    model, tokenizer, rows = scored
    prompts = ["风雨，", "the town"]
    first = score(model, tokenizer, rows, prompts, section, seed=3)
    assert score(model, tokenizer, rows, prompts, section, seed=3) == first
    assert score(model, tokenizer, rows, prompts, section, seed=4)["samples"] != first["samples"]
    assert [s["prompt"] for s in first["samples"]] == prompts
    assert first["perplexity"] == pytest.approx(math.exp(first["loss"]), rel=1e-3)
    assert set(first) == {"perplexity", "loss", "tokens", "samples", "rep_1", "rep_2", "distinct_1", "distinct_2"}
    assert 0 <= first["rep_1"] <= 100
    assert 1 < first["distinct_1"] <= 100
