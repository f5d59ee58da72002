"""Sparse attention equals dense attention under the same mask, computes only its blocks, and keeps documents apart."""

from types import SimpleNamespace

import pytest
import torch
from support.families import FAMILIES, tiny_folder
from torch.nn.functional import scaled_dot_product_attention

from novelray.errors import ModelError
from novelray.models import attention
from novelray.models.blocks import dense_mask, layout_of, visible_blocks
from novelray.models.load import from_folder
from novelray.models.longtext import Changes
from novelray.models.pattern import RECORD, Pattern, allowed, pattern_of, random_table
from novelray.recipe.longtext import AttentionSection

SMALL = AttentionSection(block=16, window_blocks=2, global_blocks=1, random_blocks=2)
PATTERN = Pattern(16, 2, 1, 2, 0)
DOCUMENTS = (37, 1, 130, 16, 16, 100)  # not on the pattern's blocks, but for two
TOKENS = sum(DOCUMENTS)


def positions(*documents):
    return torch.cat([torch.arange(n) for n in documents])[None]


PACKED = torch.cat((positions(*DOCUMENTS), positions(TOKENS)))


def module(section=SMALL):
    return SimpleNamespace(config=SimpleNamespace(**{RECORD: section.model_dump(mode="json")}))


def states(heads, shared, dim, wide, tokens=TOKENS, rows=2):
    torch.manual_seed(0)
    shapes = ((heads, dim), (shared, dim), (shared, wide))
    return [torch.randn(rows, h, tokens, d, requires_grad=True) for h, d in shapes]


def outcome(run, inputs):
    """The output and the gradients of a loss that weighs every number differently."""
    out = run(*inputs)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return [out, *torch.autograd.grad((out * weights).sum(), inputs)]


def dense(query, key, value):
    mask = dense_mask(PACKED, PATTERN)
    out = scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    return out.transpose(1, 2)


def sparse(query, key, value):
    return attention.sparse_attention(module(), query, key, value, None, position_ids=PACKED)[0]


SHAPES = {"every head its own keys": (4, 4, 8, 8), "grouped queries": (6, 2, 8, 8), "latent attention": (4, 4, 24, 16)}


@pytest.mark.parametrize("shape", SHAPES)
def test_sparse_attention_and_its_gradients_equal_dense_attention_under_the_mask(shape):
    inputs = states(*SHAPES[shape])
    for ours, theirs in zip(outcome(sparse, inputs), outcome(dense, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def flex(query, key, value):
    return attention._flex(query, key, value, PACKED, PATTERN, None).transpose(1, 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", ["grouped queries", "latent attention"])
def test_flex_attention_under_our_mask_equals_dense_attention_under_the_mask(shape, monkeypatch):
    """Without the compiler, which computes every tile; it has no gradients on a CPU."""
    from torch.nn.attention.flex_attention import flex_attention

    monkeypatch.setattr(attention, "_flex_kernel", lambda: flex_attention)
    inputs = [x.detach() for x in states(*SHAPES[shape])]
    torch.testing.assert_close(flex(*inputs), dense(*inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_flex_attention_that_skips_tiles_equals_dense_attention_under_the_mask():
    inputs = [x.detach() for x in states(*SHAPES["grouped queries"])]
    torch.testing.assert_close(flex(*inputs), dense(*inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("block", "window"), [(16, 40), (256, 2)])
def test_the_tiles_of_flex_attention_are_those_in_which_anything_is_seen_and_full_ones_need_no_mask(block, window):
    pattern = Pattern(block, window, 1, 1, 0)
    rows = torch.cat((positions(700, 300), positions(1000)))
    plan = attention._flex_plan(rows, None, pattern, 2)
    tile, size = plan.mask.BLOCK_SIZE[0], len(plan.cells)
    at = torch.arange(size)
    seen = plan.mask.mask_mod(0, 0, at[:, None], at[None]).view(size // tile, tile, size // tile, tile)
    for kind, counts, order, wanted in (
        ("partial", plan.mask.kv_num_blocks, plan.mask.kv_indices, seen.any(3).any(1) & ~seen.all(3).all(1)),
        ("full", plan.mask.full_kv_num_blocks, plan.mask.full_kv_indices, seen.all(3).all(1)),
    ):
        listed = torch.zeros_like(wanted)
        for row, (count, columns) in enumerate(zip(counts[0, 0], order[0, 0], strict=True)):
            listed[row, columns[:count].long()] = True
        assert torch.equal(listed, wanted), kind
    assert seen.all(3).all(1).any()


def test_only_the_patterns_blocks_are_computed(monkeypatch):
    """Keys per query that reach the kernel, against the length of the text."""
    asked = []

    def watched(q, k, v, **options):
        asked.append((q.shape[0], k.shape[2]))
        return scaled_dot_product_attention(q, k, v, **options)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", watched)
    query, key, value = states(4, 2, 8, 8, tokens=2048, rows=1)
    attention.sparse_attention(module(), query, key, value, None, position_ids=positions(2048))
    assert asked == [(2048 // 16, SMALL.reach)]
    assert SMALL.reach == 80


def test_a_token_sees_its_window_the_first_blocks_and_some_random_ones_and_nothing_ahead():
    at, table = torch.arange(2048), random_table(PATTERN, 2048)
    seen = allowed(at[:, None], at[None], PATTERN, table)
    assert not seen.triu(1).any()
    blocks = seen[15::16].view(128, 128, 16)  # the last query of each block
    assert torch.equal(blocks.any(2), blocks.all(2))
    counts = blocks.all(2).sum(1)
    assert counts[:5].tolist() == [1, 2, 3, 4, 5]  # what there is
    assert (counts[5:] == 5).all()  # two near, the first, two random
    drawn = table[40:]
    assert (drawn >= 1).all()
    assert (drawn <= torch.arange(40, 128)[:, None] - 2).all()
    assert len(torch.unique(drawn)) > 60, "random blocks are all over the text"


def test_the_random_blocks_are_a_function_of_seed_and_block_and_of_nothing_else():
    long, short = random_table(PATTERN, 10_000), random_table(PATTERN, 100)
    assert torch.equal(long[: len(short)], short)
    assert not torch.equal(random_table(Pattern(16, 2, 1, 2, 1), 10_000), long)
    assert long[100].tolist() == [12, 51], "models that were trained with them are kept: they may never change"


def test_a_layout_puts_every_token_in_a_cell_and_blocks_hold_one_document():
    layout = layout_of(PACKED, PATTERN, 16)
    assert torch.equal(layout.cells[layout.places], torch.arange(PACKED.numel()))
    assert torch.equal(layout.positions[layout.places], PACKED.flatten())
    assert (layout.documents.view(-1, 16) == layout.documents.view(-1, 16)[:, :1]).all()
    inside = visible_blocks(layout, PATTERN)
    documents = layout.documents[::16]
    assert not inside[documents[:, None] != documents[None]].any()


def test_positions_that_begin_in_the_middle_of_a_document_are_refused():
    with pytest.raises(ValueError, match="start at 0"):
        layout_of(torch.arange(5, 60)[None], PATTERN, 16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sparse")
    return {kind: tiny_folder(kind, folder / kind) for kind in FAMILIES}


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_gives_packed_documents_the_logits_they_get_alone_and_under_the_dense_mask(kind, folders):
    model = from_folder(folders[kind], torch.float32, changes=Changes(attention=SMALL)).eval()
    full = from_folder(folders[kind], torch.float32).eval()
    ids = torch.randint(2, 400, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    row, mask = PACKED[:1], dense_mask(PACKED[:1], pattern_of(model.config))
    with torch.no_grad():
        packed = model(input_ids=ids, position_ids=row, use_cache=False).logits
        under_mask = full(input_ids=ids, position_ids=row, attention_mask=mask, use_cache=False).logits
        torch.testing.assert_close(packed, under_mask, atol=1e-5, rtol=0)
        assert not torch.allclose(packed, full(input_ids=ids, position_ids=row, use_cache=False).logits, atol=1e-2)
        for piece, alone in zip(packed.split(DOCUMENTS, 1), ids.split(DOCUMENTS, 1), strict=True):
            torch.testing.assert_close(piece, model(input_ids=alone, use_cache=False).logits, atol=1e-5, rtol=0)


def test_transformers_own_generation_applies_the_pattern_to_its_cache(folders):
    model = from_folder(folders["llama"], torch.float32, changes=Changes(attention=SMALL)).eval()
    prompt = torch.randint(2, 400, (1, 150), generator=torch.Generator().manual_seed(2))
    made = model.generate(prompt, max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=1)
    with torch.no_grad():
        again = model(made, use_cache=False).logits[0, 149:-1].argmax(-1)
    assert torch.equal(made[0, 150:], again)


def test_what_a_model_was_given_is_in_its_configuration_and_full_takes_it_away(folders, tmp_path):
    from_folder(folders["llama"], torch.float32, changes=Changes(attention=SMALL)).save_pretrained(tmp_path)
    again = from_folder(tmp_path, torch.float32)
    assert pattern_of(again.config) == PATTERN
    assert again.config._attn_implementation == attention.NAME
    whole = from_folder(tmp_path, torch.float32, changes=Changes(attention=AttentionSection(type="full")))
    assert pattern_of(whole.config) is None
    assert whole.config._attn_implementation == "sdpa"


def test_other_programs_load_what_we_export(folders, tmp_path):
    from transformers import AutoModelForCausalLM

    from_folder(folders["llama"], torch.float32, changes=Changes(attention=SMALL)).save_pretrained(tmp_path)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "odd",
    [{"attention_dropout": 0.1}, {"use_sliding_window": True, "sliding_window": 32, "max_window_layers": 1}],
    ids=["dropout", "windows"],
)
def test_a_model_that_sparse_attention_does_not_fit_is_refused(odd, tmp_path):
    folder = tiny_folder("qwen2", tmp_path / "odd", **odd)
    with pytest.raises(ModelError, match="does not fit"):
        from_folder(folder, torch.float32, changes=Changes(attention=SMALL))
