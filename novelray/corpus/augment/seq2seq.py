"""A sequence-to-sequence model that translates sentences: Marian (opus-mt), NLLB, M2M100, mBART, T5 and their like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novelray.errors import CapacityError, ModelError, missing_package

HINT = "Name a folder with a sequence-to-sequence model and its tokenizer (opus-mt, NLLB, M2M100, mBART, T5)."


class Translator:
    """Sentences in, sentences out. The same sentences in the same call always give the same result on a device."""

    def __init__(
        self, folder: Path, device: str, codes: tuple[str, str] = ("", ""), prefix: str = "", beams: int = 4,
        batch: int = 32, max_tokens: int = 256, model: Any = None,
    ) -> None:  # fmt: skip
        """`codes`: what the model calls the two languages, empty for a model of one pair. `max_tokens`: of a sentence.

        `model`: the folder's model where it is in memory already.
        Raises ModelError when the folder holds no such model or the model does not know a code.
        """
        self.tokenizer = _tokenizer(folder)
        self.model = model or _model(folder, device)
        self.prefix, self.batch, self.device = prefix, batch, device
        self.max_tokens = min((max_tokens, *_positions(self.model)))
        # Stopping early takes the first `beams` sentences that end, though a better one may be a word from its end.
        self.options: dict[str, Any] = {"num_beams": beams, "do_sample": False, "early_stopping": False}
        source, target = codes
        if source:
            _id_of(self.tokenizer, source, folder)
            self.tokenizer.src_lang = source
        if target:
            self.options["forced_bos_token_id"] = _id_of(self.tokenizer, target, folder)

    def __call__(self, sentences: Sequence[str]) -> list[str]:
        """The translations, in order; "" for a sentence of more tokens than the limit.

        Sentences are translated `batch` at a time, those of a length together. Raises CapacityError when the device
        has too little memory for that.
        """
        ids = [self.tokenizer(self.prefix + s)["input_ids"] for s in sentences]
        order = sorted((i for i, one in enumerate(ids) if len(one) <= self.max_tokens), key=lambda i: (len(ids[i]), i))
        found = [""] * len(sentences)
        for start in range(0, len(order), self.batch):
            some = order[start : start + self.batch]
            for i, text in zip(some, self._translate([ids[i] for i in some]), strict=True):
                found[i] = text
        return found

    def _translate(self, ids: list[list[int]]) -> list[str]:
        import torch

        inputs = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self.device)
        longest = min(self.max_tokens, 2 * max(map(len, ids)) + 16)
        try:
            with torch.inference_mode():
                made = self.model.generate(
                    input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=longest,
                    max_length=None, **self.options,
                )  # fmt: skip
        except torch.OutOfMemoryError as error:
            raise CapacityError(
                f"The device has too little memory to translate {len(ids)} sentences at once.",
                "Lower corpus.augment.back_translation.batch or beams.",
            ) from error
        texts: list[str] = self.tokenizer.batch_decode(made, skip_special_tokens=True)
        return [text.strip() for text in texts]


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except ImportError as error:  # Marian and M2M100 read their vocabulary with sentencepiece
        package = "sacremoses" if "sacremoses" in str(error) else "sentencepiece"
        raise ModelError(*missing_package(package, "translate").args) from error
    except Exception as error:  # the readers of the many formats raise whatever they like
        raise ModelError(f"The tokenizer in {folder} cannot be read: {_first_line(error)}", HINT) from error


def _model(folder: Path, device: str) -> Any:
    import torch
    from transformers import AutoModelForSeq2SeqLM

    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    try:
        loaded: Any = AutoModelForSeq2SeqLM.from_pretrained(
            str(folder), dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # dozens of types for a folder with another kind of model
        raise ModelError(f"The model in {folder} does not load: {_first_line(error)}", HINT) from error
    return loaded.eval().to(device)


def _positions(model: Any) -> tuple[int, ...]:
    config = model.config
    limits = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions"))
    return tuple(limit for limit in limits if isinstance(limit, int) and limit > 0)


def _id_of(tokenizer: Any, code: str, folder: Path) -> int:
    """The token that stands for a language."""
    names = [code, f"__{code}__", f">>{code}<<"]
    vocabulary = tokenizer.get_vocab() | dict(getattr(tokenizer, "lang_code_to_id", None) or {})
    found = next((int(vocabulary[name]) for name in names if name in vocabulary), None)
    if found is None:
        raise ModelError(
            f"The model in {folder} knows no language {code!r}.",
            "Set corpus.augment.back_translation.code and pivot_code to what the model calls them (zho_Hans, zh_CN).",
        )
    return found


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
