"""Prefix tuning (Li and Liang, 2021): a frozen model with trained keys and values before every text, in each layer.

The trained part is PEFT's encoder, and so is the form it is stored in. How it gets into the model is our own: the
attention function puts the prefix before its keys and values, and positions of tokens begin behind it. So every
document of a packed row sees the prefix and none of its neighbours, activations can be recomputed, and the engine's
cache knows nothing of it. PEFT itself, which puts the prefix into a cache, computes the same for one text a row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad

from novelray.errors import ModelError
from novelray.recipe.train import PrefixSection

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "novelray_prefix"
ENCODER = "prompt_encoder"
"""The encoder's name in the model, as in PEFT's."""
WEIGHTS = "prompt_embeddings"
"""Name of the prefix in adapter_model.safetensors: [tokens, layers × 2 × heads × dim]."""


class _Prefix:
    """What the attention layers of a model read: the keys and values of the running forward pass."""

    def __init__(self, model: PreTrainedModel, encoder: Any, tokens: int) -> None:
        self.encoder, self.tokens = encoder, tokens
        self.layers, self.heads, self.dim = _shape(model)
        self._states: torch.Tensor | None = None
        self._mask: tuple[torch.Tensor | None, torch.Tensor] | None = None

    def before(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The decoder's forward begins: compute the prefix, and move positions behind it."""
        positions = kwargs.get("position_ids")
        if positions is None:
            ids, cache = kwargs["input_ids"], kwargs.get("past_key_values")
            start = cache.get_seq_length() if cache is not None else 0
            positions = torch.arange(start, start + ids.shape[1], device=ids.device)[None]
        numbers = torch.arange(self.tokens, device=positions.device)
        states = self.encoder(numbers[None])[0].view(self.tokens, 2 * self.layers, self.heads, self.dim)
        self._states, self._mask = states.permute(1, 2, 0, 3), None
        return args, {**kwargs, "position_ids": positions + self.tokens}

    def of_layer(self, layer: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [rows, heads, tokens, dim] of a layer."""
        assert self._states is not None
        keys, values = self._states[2 * layer : 2 * layer + 2]
        return keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)

    def mask(self, given: torch.Tensor | None, query: torch.Tensor, keys: int) -> torch.Tensor:
        """The mask with the prefix, which everything sees; all layers of a pass share it. None given: causal."""
        new, known = query.shape[2], self._mask
        if known is None or known[0] is not given:
            whole = given
            if whole is None:
                whole = torch.ones(1, 1, new, keys, dtype=torch.bool, device=query.device).tril(keys - new)
            known = self._mask = given, pad(whole, (self.tokens, 0), value=whole.dtype == torch.bool)
        return known[1]


def add_prefix(model: PreTrainedModel, section: PrefixSection, opening: torch.Tensor) -> PreTrainedModel:
    """The model with a fresh prefix, in place; nothing but the prefix is trainable.

    It begins as the keys and values of a text, `opening` ([tokens], repeated where it is too short), so that the model
    meets something that it knows; one that comes from a projection begins near their mean. Zeros would take attention
    away from the text. Raises ModelError for a model that cannot have a prefix.
    """
    _check(model)
    encoder = _encoder(model, section.tokens, section.projection)
    states = _states(model, opening[torch.arange(section.tokens) % len(opening)])
    if section.projection is None:
        encoder.embedding.weight.data.copy_(states)
    else:
        encoder.transform[-1].bias.data.copy_(states.mean(dim=0))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return _attached(model, encoder.to(model.dtype), section.tokens)


def load_prefix(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The base with the prefix of a PEFT folder before its texts, frozen. Raises ModelError when it does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(folder / "adapter_model.safetensors")[WEIGHTS]
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(f"The prefix in {folder} cannot be read: {error}.", "Fetch or train it again.") from None
    _check(model)
    encoder = _encoder(model, len(weights), None)
    if encoder.embedding.weight.shape != weights.shape:
        raise ModelError(
            f"The prefix in {folder} is {tuple(weights.shape)} and this base takes "
            f"{tuple(encoder.embedding.weight.shape)}.",
            "Use the base that it was trained on (novelray trace shows it).",
        )
    encoder.embedding.weight.data.copy_(weights)
    return _attached(model, encoder.to(model.dtype).requires_grad_(False), len(weights))


def is_prefix(folder: Path) -> bool:
    """Whether an adapter's folder holds a prefix."""
    found: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    return found.get("peft_type") == "PREFIX_TUNING"


def has_prefix(model: torch.nn.Module) -> bool:
    """Whether a model has one."""
    return hasattr(model, ENCODER)


def export_prefix(
    weights: dict[str, torch.Tensor], section: PrefixSection, model: PreTrainedModel, folder: Path
) -> None:
    """Write adapter_config.json and adapter_model.safetensors (fp32) as PEFT reads them, a projection worked out.

    `weights`: the trained tensors by their names in the model.
    """
    from safetensors.torch import save_file

    encoder = _encoder(model, section.tokens, section.projection)
    encoder.load_state_dict({name.removeprefix(f"{ENCODER}."): value for name, value in weights.items()})
    with torch.no_grad():
        states = encoder(torch.arange(section.tokens)[None])[0]
    layers, heads, dim = _shape(model)
    config = {
        "peft_type": "PREFIX_TUNING", "task_type": "CAUSAL_LM", "base_model_name_or_path": None,
        "num_virtual_tokens": section.tokens, "token_dim": heads * dim, "num_attention_heads": heads,
        "num_layers": layers, "num_transformer_submodules": 1, "prefix_projection": False, "inference_mode": True,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_file({WEIGHTS: states.contiguous()}, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2), "utf-8")


def _encoder(model: PreTrainedModel, tokens: int, projection: int | None) -> Any:
    from peft import PrefixEncoder, PrefixTuningConfig

    layers, heads, dim = _shape(model)
    return PrefixEncoder(
        PrefixTuningConfig(
            num_virtual_tokens=tokens, token_dim=heads * dim, num_layers=layers, num_attention_heads=heads,
            encoder_hidden_size=projection or heads * dim, prefix_projection=projection is not None,
            init_weights="zero",
        )
    )  # fmt: skip


@torch.no_grad()
def _states(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """The keys and values of a text [tokens] in the encoder's layout: [tokens, layers × 2 × heads × dim]."""
    from transformers import DynamicCache

    whole: Any = model
    cache = DynamicCache(config=model.config)
    whole.get_decoder()(input_ids=ids[None], past_key_values=cache, use_cache=True)
    layers: list[Any] = list(cache.layers)
    states = torch.stack([part[0] for layer in layers for part in (layer.keys, layer.values)])
    return states.permute(2, 0, 1, 3).reshape(len(ids), -1).float()


def _check(model: PreTrainedModel) -> None:
    config: Any = model.config
    odd = None
    if has_prefix(model):
        odd = "a prefix already: another cannot be trained on it"
    elif getattr(config, "kv_lora_rank", None):
        odd = "latent attention, whose keys and values are not of one kind"
    elif set(getattr(config, "layer_types", None) or ()) - {"full_attention"}:
        odd = "layers that do not attend to the whole text"
    elif config._attn_implementation != "sdpa":
        odd = f"an attention of its own ({config._attn_implementation})"
    if odd:
        raise ModelError(f"Prefix tuning does not fit {type(model).__name__}: it has {odd}.", "Use train.method lora.")


def _shape(model: PreTrainedModel) -> tuple[int, int, int]:
    """Layers, heads of keys and values, and the width of one."""
    config: Any = model.config
    heads = int(config.num_attention_heads)
    dim = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return int(config.num_hidden_layers), int(getattr(config, "num_key_value_heads", None) or heads), dim


def _attached(model: PreTrainedModel, encoder: Any, tokens: int) -> PreTrainedModel:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    whole: Any = model
    prefix = _Prefix(model, encoder, tokens)
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    whole.set_attn_implementation(NAME)
    setattr(model, ENCODER, encoder)
    module: Any
    for module in model.modules():
        if hasattr(module, "layer_idx") and hasattr(module, "o_proj"):
            module.novelray_prefix = (prefix,)  # not as a module of the layer's
    whole.get_decoder().register_forward_pre_hook(prefix.before, with_kwargs=True)
    if getattr(model.config, "max_position_embeddings", None):
        model.config.max_position_embeddings -= tokens  # positions that the prefix takes
    return model


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers calls it: SDPA over the prefix and what there is."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    (prefix,) = module.novelray_prefix
    mask = prefix.mask(attention_mask, query, key.shape[2])
    keys, values = prefix.of_layer(module.layer_idx, len(key))
    options["is_causal"] = False
    found: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2), mask, **options
    )
    return found
