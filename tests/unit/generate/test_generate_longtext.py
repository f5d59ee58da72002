"""A model with sparse attention and scaled positions writes, with its cache, what it would write without one."""

import pytest
import torch
from support.families import tiny_folder
from support.tiny_models import make_tokenizer

from novelray.errors import ModelError
from novelray.generate.batcher import Batcher
from novelray.generate.detokenise import Vocabulary
from novelray.generate.generation import Generation
from novelray.generate.limits import context_of
from novelray.generate.lora import Adapters
from novelray.generate.protocol import Request, Sampling
from novelray.generate.steady import make_steady
from novelray.generate.stepper import PIECE_TOKENS, Stepper
from novelray.models.load import from_folder
from novelray.models.longtext import Changes, changes_in
from novelray.recipe.longtext import AttentionSection, RopeSection

CHANGES = Changes(
    RopeSection(type="yarn", factor=4.0), AttentionSection(block=16, window_blocks=2, global_blocks=1, random_blocks=2)
)
LENGTHS = (700, 150, 20)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    return {kind: tiny_folder(kind, folder / kind) for kind in ("llama", "deepseek_v3")}


def written(model, prompts, count):
    """What the engine's core writes after each prompt, all in one batch: tokens and their log-probabilities."""
    tokenizer = make_tokenizer()
    batcher = Batcher(4, len(prompts))
    stepper = Stepper(model, Vocabulary(tokenizer), batcher, context_of(model, None))
    events = [[] for _ in prompts]
    for i, prompt in enumerate(prompts):
        sampling = Sampling(max_tokens=count, temperature=0, ignore_eos=True, logprobs=0)
        request = Request(str(i), prompt, sampling)
        batcher.submit(Generation(request, count, frozenset(), stepper.vocabulary, events[i].append))
    while not stepper.idle:
        stepper.prefill()
        stepper.decode()
    return [[token for event in made for token in event.logprobs] for made in events]


@pytest.mark.parametrize("kind", ["llama", "deepseek_v3"])
def test_generation_with_a_cache_equals_a_full_forward_under_the_same_mask(kind, folders):
    model = from_folder(folders[kind], torch.float32, changes=CHANGES).eval()
    make_steady(model)
    assert max(LENGTHS) > PIECE_TOKENS, "a prompt is read in pieces, the later ones against the cache"
    assert context_of(model, None) == 1024
    random = torch.Generator().manual_seed(3)
    prompts = [tuple(torch.randint(2, 380, (n,), generator=random).tolist()) for n in LENGTHS]
    for prompt, tokens in zip(prompts, written(model, prompts, 12), strict=True):
        ids = [*prompt, *(t.token_id for t in tokens)]
        with torch.no_grad():
            whole = model(torch.tensor([ids]), use_cache=False).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        assert whole.argmax(-1).tolist() == ids[len(prompt) :]
        expected = [whole[i, t.token_id].item() for i, t in enumerate(tokens)]
        assert [t.logprob for t in tokens] == pytest.approx(expected, abs=1e-5)


def test_a_text_does_not_depend_on_its_neighbours(folders):
    model = from_folder(folders["llama"], torch.float32, changes=CHANGES).eval()
    make_steady(model)
    random = torch.Generator().manual_seed(4)
    prompts = [tuple(torch.randint(2, 380, (n,), generator=random).tolist()) for n in LENGTHS]
    assert written(model, prompts[1:2], 8)[0] == written(model, prompts, 8)[1]


def test_an_adapter_that_was_trained_on_another_attention_or_other_positions_is_refused(folders, tmp_path):
    import json

    from peft import LoraConfig, get_peft_model

    model = from_folder(folders["llama"], torch.float32, changes=CHANGES)
    record = changes_in(model.config)
    get_peft_model(model, LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path)
    (tmp_path / "base.json").write_text(json.dumps({"source": "x", "digest": "y", "changes": record}))
    plain = from_folder(folders["llama"], torch.float32)
    with pytest.raises(ModelError, match="other attention or positions"):
        Adapters(plain, exact=True).load("a@1", str(tmp_path))
    adapters = Adapters(from_folder(folders["llama"], torch.float32, changes=CHANGES), exact=True)
    adapters.load("a@1", str(tmp_path))
    assert "a@1" in adapters
