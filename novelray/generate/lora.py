"""LoRA adapters beside the base: rows of different adapters, and of none, share one batch.

Each adapted layer computes y = base(x) + Σ weight[adapter, row] · B(A x), the weight being alpha / rank on the rows of
that adapter, times the row's own weight for it, and zero on the others; DoRA's gives the rows of W + B A another length
besides. All rows go through every adapter in use, so the shapes do not depend on who wants which. Reads PEFT folders
(safetensors only); refuses what it does not compute.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from novelray.errors import ModelError
from novelray.generate.steady import by_columns
from novelray.models.longtext import changes_in

UNSUPPORTED: dict[str, Any] = {"bias": "none", "modules_to_save": None, "alpha_pattern": {}, "rank_pattern": {},
               "fan_in_fan_out": False, "lora_bias": False, "layer_replication": None}  # fmt: skip


class Adapters:
    """The adapters of one model, by immutable id."""

    def __init__(self, model: Any, exact: bool, base_digest: str | None = None) -> None:
        """`base_digest`: of the base's weights; an adapter folder that names another base is refused."""
        self._model, self._exact, self._base_digest = model, exact, base_digest
        weight = next(model.parameters())
        self._dtype, self._device = weight.dtype, weight.device
        self._layers: dict[str, AdaptedLinear] = {}
        self._scales: dict[str, float] = {}
        self._loads: dict[str, int] = {}  # which load of all this was
        self._count = 0
        self._styles: list[dict[str, float]] = []
        self._in_use: list[tuple[str, torch.Tensor]] = []

    def __contains__(self, adapter_id: object) -> bool:
        return adapter_id in self._scales

    def load(self, adapter_id: str, folder: str) -> None:
        """Read a PEFT folder. Loading an id again changes nothing. Raises ModelError when it does not fit the base."""
        if adapter_id in self._scales:
            return
        config = read_config(Path(folder))
        check_base(Path(folder), adapter_id, changes_in(self._model.config), self._base_digest)
        tensors = read_weights(Path(folder))
        lengths = _lengths(tensors) if config.get("use_dora") else {}
        pairs = self._pairs(tensors, adapter_id)
        fitting = {
            n for n, t in lengths.items() if n in pairs and t.shape == pairs[n][1].shape[:1] and t.isfinite().all()
        }
        if config.get("use_dora") and (fitting != pairs.keys() or fitting != lengths.keys()):
            raise _misfit(adapter_id, "its DoRA lengths do not belong to its layers, or are no numbers")
        rank = next(iter(pairs.values()))[0].shape[0]
        scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
        for name, (down, up) in pairs.items():
            layer = self._layer(name)
            gain = None if name not in lengths else _gain(layer.weight, down, up, scale, lengths[name])
            layer.add(adapter_id, _Update(_linear(down, self._exact), _linear(up, self._exact), scale, gain))
        self._scales[adapter_id] = scale
        self._count += 1
        self._loads[adapter_id] = self._count

    def unload(self, adapter_id: str) -> None:
        """Forget an adapter; ids that are not loaded are ignored."""
        if self._scales.pop(adapter_id, None) is not None:
            self._loads.pop(adapter_id)
            self.use([])
            for layer in self._layers.values():
                layer.remove(adapter_id)

    def use(self, styles: Sequence[Mapping[str, float]]) -> None:
        """The adapters that each row of the next forwards wants, with their weights; an empty style is the base."""
        if styles == self._styles:
            return
        self._styles = [dict(style) for style in styles]
        self._in_use.clear()
        for wanted in sorted({a for style in styles for a in style}):
            scales = [self._scales[wanted] * style.get(wanted, 0.0) for style in styles]
            self._in_use.append((wanted, torch.tensor(scales, dtype=self._dtype, device=self._device).view(-1, 1, 1)))

    def key(self, style: Mapping[str, float]) -> bytes:
        """A short name of a style that no other has, nor this one once an adapter was loaded again."""
        parts = sorted((self._loads[adapter], weight) for adapter, weight in style.items())
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()

    def _pairs(self, tensors: dict[str, torch.Tensor], adapter_id: str) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """A and B by the name of the layer they belong to, checked against the base before anything is changed."""
        pairs = {}
        for key in [k for k in tensors if k.endswith(".lora_A.weight")]:
            name = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            down, up = tensors.pop(key), tensors.pop(key.replace(".lora_A.", ".lora_B."), None)
            linear = _linear_of(self._model, name)
            if up is None or linear is None or (up.shape[0], down.shape[1]) != tuple(linear.weight.shape):
                raise _misfit(adapter_id, f"its layer {name} is not one of the base's")
            if not (down.isfinite().all() and up.isfinite().all()):
                raise _misfit(adapter_id, f"its layer {name} holds values that are no numbers")
            pairs[name] = (down.to(linear.weight), up.to(linear.weight))
        if tensors or not pairs:
            raise _misfit(adapter_id, f"it holds {next(iter(tensors), 'no LoRA weights')}")
        return pairs

    def _layer(self, name: str) -> AdaptedLinear:
        if name not in self._layers:
            parent, _, child = name.rpartition(".")
            owner = self._model.get_submodule(parent)
            self._layers[name] = AdaptedLinear(getattr(owner, child), self._in_use)
            setattr(owner, child, self._layers[name])
        return self._layers[name]


class _Update:
    """What one adapter adds to a layer's output, but for its scale. `gain` [outputs]: DoRA's, of the whole weight."""

    def __init__(self, down: torch.nn.Linear, up: torch.nn.Linear, scale: float, gain: torch.Tensor | None) -> None:
        self._down, self._up = down, up
        self._lengthen = None if gain is None else (gain, (gain - 1) / scale)

    def __call__(self, x: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
        """`plain`: what the base makes of x, without its bias."""
        added: torch.Tensor = self._up(self._down(x))
        if self._lengthen is None:
            return added
        gain, excess = self._lengthen
        return gain * added + excess * plain


class AdaptedLinear(torch.nn.Module):
    """A linear layer of the base with the A and B of each adapter that has them for it."""

    def __init__(self, base: torch.nn.Linear, in_use: list[tuple[str, torch.Tensor]]) -> None:
        super().__init__()
        self.base, self._in_use = base, in_use
        self._updates: dict[str, _Update] = {}

    @property
    def weight(self) -> torch.Tensor:
        return self.base.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.base(x)
        self.adapt(x, y)
        return y

    def adapt(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Add to `y`, which is what the base makes of `x`, what the adapters in use make of it."""
        wanted = [(u, weights) for i, weights in self._in_use if (u := self._updates.get(i)) is not None]
        if wanted:
            plain = y if self.base.bias is None else y - self.base.bias
            for part in [update(x, plain) * weights for update, weights in wanted]:
                y += part

    def add(self, adapter_id: str, update: _Update) -> None:
        self._updates[adapter_id] = update

    def remove(self, adapter_id: str) -> None:
        self._updates.pop(adapter_id, None)


def _lengths(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """DoRA's lengths [outputs] by the layer they belong to, taken out of an adapter's tensors."""
    names = {key: key.removesuffix(".weight") for key in tensors}
    ours = [key for key, name in names.items() if name.endswith(".lora_magnitude_vector")]
    return {
        names[key].removeprefix("base_model.model.").removesuffix(".lora_magnitude_vector"): tensors.pop(key)
        for key in ours
    }


def _gain(
    weight: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scale: float, lengths: torch.Tensor
) -> torch.Tensor:
    """By how much each row of W + s B A is longer in DoRA's weight [outputs]."""
    whole = weight.float() + scale * (up.float() @ down.float())
    gain: torch.Tensor = lengths.to(whole) / whole.norm(dim=1)
    return gain.to(weight.dtype)


def _linear(weight: torch.Tensor, exact: bool) -> torch.nn.Linear:
    with torch.device("meta"):
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = torch.nn.Parameter(weight.contiguous(), requires_grad=False)
    if exact:
        by_columns(layer)
    return layer


def _linear_of(model: Any, name: str) -> Any:
    """The linear layer of that name in the base, adapted already or not; None when there is none."""
    try:
        module = model.get_submodule(name)
    except AttributeError:
        return None
    return module if isinstance(module, torch.nn.Linear | AdaptedLinear) else None


def check_base(folder: Path, adapter_id: str, here: dict[str, Any], base_digest: str | None) -> None:
    """Raise ModelError for an adapter that says it belongs to another base. `here`: what was changed in this base."""
    file = folder / "base.json"
    if not file.is_file():
        return  # shapes are still checked
    record = json.loads(file.read_text("utf-8"))
    if record.get("changes", here) != here:
        raise ModelError(
            f"The adapter {adapter_id} was trained with other attention or positions than this base has.",
            f"Load it on a base with {record['changes']}, or merge it into its own.",
        )
    digest = record.get("digest")
    if base_digest is not None and digest != base_digest:
        raise ModelError(
            f"The adapter {adapter_id} was trained on the base {digest}; this one is {base_digest}.",
            "Load it on its own base: an adapter gives nonsense on other weights.",
        )


def read_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json of a PEFT folder. Raises ModelError when it is no plain LoRA (or DoRA)."""
    try:
        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"There is no readable adapter_config.json in {folder}.", "Give the folder of a PEFT LoRA adapter."
        ) from error
    odd = [key for key, plain in UNSUPPORTED.items() if config.get(key, plain) not in (plain, None)]
    if config.get("peft_type") != "LORA" or odd:
        what = f"peft_type {config.get('peft_type')}" if config.get("peft_type") != "LORA" else ", ".join(odd)
        raise ModelError(
            f"The adapter in {folder} uses {what}, which the engines do not compute.",
            "Merge it into its base first, or train it as plain LoRA.",
        )
    return config


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a PEFT folder. Raises ModelError when they cannot be read."""
    from safetensors.torch import load_file

    try:
        return load_file(folder / "adapter_model.safetensors")
    except Exception as error:  # safetensors raises its own class, which is no subclass of the usual ones
        raise ModelError(
            f"The weights in {folder} cannot be read: {error}", "The folder needs a whole adapter_model.safetensors."
        ) from error


def _misfit(adapter_id: str, what: str) -> ModelError:
    return ModelError(f"The adapter {adapter_id} does not fit this base: {what}.", "Load it on the base it came from.")
