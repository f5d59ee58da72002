"""Meaning by an embedding model: the cosine of two texts' mean vectors.

Reads the folders of transformers and of sentence-transformers (`modules.json`; mean or first-token pooling).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.augment.story import up_to_sentence
from novelray.errors import ModelError

PIECE_CHARS = {"zh": 400, "ja": 400, "ko": 400}
OTHER_CHARS = 1200
MAX_TOKENS = 512
HINT = "Name a folder with an embedding model (transformers or sentence-transformers) and its tokenizer."


class Embedding:
    """Measures meaning on one device. Long texts are read in pieces, whose vectors are averaged by length."""

    def __init__(self, folder: Path, device: str, batch: int = 16) -> None:
        """Raises ModelError when the folder holds no such model."""
        import torch
        from transformers import AutoModel, AutoTokenizer

        inner, self._first_token = _layout(folder)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(inner), local_files_only=True)
            dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
            model: Any = AutoModel.from_pretrained(
                str(inner), dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        except Exception as error:  # dozens of types for a folder with another kind of model
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"The embedding model in {folder} does not load: {line}", HINT) from error
        self._model = model.eval().to(device)
        limit = getattr(model.config, "max_position_embeddings", None)
        self._tokens = min(MAX_TOKENS, limit) if isinstance(limit, int) and limit > 2 else MAX_TOKENS
        self._device, self._batch = device, batch

    def __call__(self, one: str, other: str, language: str) -> float:
        if not one.strip() or not other.strip():
            return 0.0
        a, b = self._mean(one, language), self._mean(other, language)
        norm = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(a @ b) / norm if norm else 0.0

    def _mean(self, text: str, language: str) -> NDArray[np.float32]:
        pieces = _pieces(text, PIECE_CHARS.get(language, OTHER_CHARS))
        vectors = self.encode(pieces)
        weights = np.array([len(p) for p in pieces], np.float32)
        return np.asarray((vectors * weights[:, None]).sum(0) / weights.sum(), np.float32)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, [texts, dimensions]."""
        import torch

        found = []
        for start in range(0, len(texts), self._batch):
            inputs = self._tokenizer(
                list(texts[start : start + self._batch]), padding=True, truncation=True, max_length=self._tokens,
                return_tensors="pt",
            ).to(self._device)  # fmt: skip
            with torch.inference_mode():
                states = self._model(
                    input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
                ).last_hidden_state.float()
            mask = inputs["attention_mask"][..., None].float()
            pooled = states[:, 0] if self._first_token else (states * mask).sum(1) / mask.sum(1)
            found.append(torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy())
        return np.concatenate(found)


def _layout(folder: Path) -> tuple[Path, bool]:
    """The folder of the transformer itself, and whether a text's vector is that of its first token."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return folder, False
    try:
        listed = json.loads(modules.read_text("utf-8"))
        kinds = {str(m["type"]).rpartition(".")[2]: folder / str(m["path"]) for m in listed}
        pooling = json.loads((kinds["Pooling"] / "config.json").read_text("utf-8")) if "Pooling" in kinds else {}
        return kinds["Transformer"], bool(pooling.get("pooling_mode_cls_token"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{modules} does not describe an embedding model: {error!r}.", HINT) from error


def _pieces(text: str, limit: int) -> list[str]:
    """Consecutive parts of at most `limit` characters, cut after sentences where there are any."""
    found, rest = [], text.strip()
    while len(rest) > limit:
        piece = up_to_sentence(rest, limit) or rest[:limit]
        found.append(piece)
        rest = rest[len(piece) :].lstrip()
    return [*found, rest] if rest else found
