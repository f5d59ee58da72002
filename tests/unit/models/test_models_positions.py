"""Positions scaled to a longer context: numbers, what is written down, what is refused."""

import json

import pytest
import torch
from support.families import FAMILIES, tiny_folder

from novelray.errors import ModelError
from novelray.models.load import from_folder
from novelray.models.longtext import Changes
from novelray.models.source import check_context
from novelray.recipe.longtext import RopeSection

TYPES = ("linear", "dynamic", "yarn")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("positions")
    return {kind: tiny_folder(kind, folder / kind) for kind in FAMILIES}


def scaled(folder, kind="yarn", factor=4.0):
    return from_folder(folder, torch.float32, changes=Changes(rope=RopeSection(type=kind, factor=factor))).eval()


def logits(model, ids, positions=None):
    with torch.no_grad():
        return model(input_ids=ids, position_ids=positions, use_cache=False).logits


@pytest.mark.slow
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_scaled_model_reads_further_and_loads_elsewhere_with_the_same_numbers(family, kind, folders, tmp_path):
    from transformers import AutoModelForCausalLM

    model = scaled(folders[family], kind)
    assert model.config.max_position_embeddings == 4 * 256
    ids = torch.randint(2, 400, (1, 600), generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(logits(model, ids), logits(from_folder(folders[family], torch.float32).eval(), ids))
    model.save_pretrained(tmp_path)
    elsewhere = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(elsewhere, ids), logits(model, ids))
    assert torch.equal(logits(from_folder(tmp_path, torch.float32).eval(), ids), logits(model, ids))


@pytest.mark.parametrize("kind", TYPES)
def test_a_text_in_a_packed_row_has_the_logits_it_has_alone_whatever_ran_before(kind, folders):
    model = scaled(folders["llama"], kind)
    ids = torch.randint(2, 400, (1, 700), generator=torch.Generator().manual_seed(2))
    alone = logits(model, ids[:, 600:])
    row = torch.cat((torch.arange(600), torch.arange(100)))[None]
    packed = logits(model, ids, row)[:, 600:]
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)
    assert torch.equal(logits(model, ids[:, 600:]), alone)


def test_rotations_are_those_of_transformers(folders):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    for kind, given in (("linear", {"factor": 4.0}), ("dynamic", {"factor": 4.0}),
                        ("yarn", {"factor": 4.0, "original_max_position_embeddings": 256})):  # fmt: skip
        config = from_folder(folders["llama"], torch.float32).config
        config.rope_parameters = {"rope_theta": 10000.0, "rope_type": kind, **given}
        expected, sharper = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=4 * 256)
        ours = scaled(folders["llama"], kind).model.rotary_emb
        torch.testing.assert_close(ours.inv_freq, expected, atol=0, rtol=1e-6)
        assert ours.attention_scaling == sharper


def test_latent_attention_gets_its_temperature_on_the_whole_score(folders):
    """As DeepSeek-V3 does it: part of a head has no positions, and a factor on the rotation would miss that part."""
    plain, yarn = (m.model.layers[0].self_attn for m in (scaled(folders["deepseek_v3"], "linear"),
                                                         scaled(folders["deepseek_v3"], "yarn")))  # fmt: skip
    assert yarn.scaling / plain.scaling == pytest.approx((0.1 * torch.tensor(4.0).log().item() + 1) ** 2)


@pytest.mark.parametrize("kind", TYPES)
def test_asking_for_what_is_there_changes_nothing_and_for_something_else_is_refused(kind, folders, tmp_path):
    scaled(folders["llama"], kind).save_pretrained(tmp_path)
    before = json.loads((tmp_path / "config.json").read_text())
    again = scaled(tmp_path, kind)
    assert again.config.max_position_embeddings == before["max_position_embeddings"]
    assert again.config.rope_parameters == before["rope_parameters"]
    with pytest.raises(ModelError, match="scaled positions"):
        scaled(tmp_path, kind, 8.0)


def test_a_base_whose_makers_scaled_it_is_not_scaled_again(tmp_path):
    theirs = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
    folder = tiny_folder("llama", tmp_path / "theirs", rope_parameters=theirs)
    assert from_folder(folder, torch.float32).config.max_position_embeddings == 256
    with pytest.raises(ModelError, match="linear × 4"):
        scaled(folder, "yarn", 2.0)
    dynamic = tiny_folder("llama", tmp_path / "dynamic", rope_parameters={**theirs, "rope_type": "dynamic"})
    with pytest.raises(ModelError, match="dynamic × 4"):
        scaled(dynamic, "dynamic", 4.0)


@pytest.mark.parametrize("kind", TYPES)
def test_rows_may_be_as_long_as_the_factor_says(kind, folders):
    rope = RopeSection(type=kind, factor=2.5)
    check_context(folders["llama"], 640, rope)
    with pytest.raises(ModelError, match=r"reads 640 with model.rope.factor 2.5.*"):
        check_context(folders["llama"], 641, rope)
    with pytest.raises(ModelError, match="reads 256"):
        check_context(folders["llama"], 257)


def test_positions_and_attention_are_part_of_what_a_stage_makes_and_their_absence_adds_nothing():
    """A recipe that says nothing of them keeps the ids of the models that it has made."""
    from novelray.recipe.model import ModelSection

    assert ModelSection().changes() == {}
    given = ModelSection.model_validate({"rope": {"factor": 2}, "attention": {"block": 64}}).changes()
    assert given["rope"] == {"type": "yarn", "factor": 2.0}
    assert given["attention"]["block"] == 64
