"""Writing a GGUF file tensor by tensor, and holding what was written against the model that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.checkpoints.gguf import architecture, vocabulary
from novelray.checkpoints.gguf.tensors import BLOCK, Dtype, Piece, pieces
from novelray.errors import DamagedError, ModelError, missing_package

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedTokenizerFast


def require_gguf() -> None:
    """Raise NovelRayError, naming the extra, when the `gguf` package is not installed."""
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise missing_package("gguf", "gguf") from None


def write_gguf(
    path: Path,
    weights: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerFast,
    dtype: Dtype,
    name: str,
) -> vocabulary.Vocabulary:
    """Write a model's weights (by their names in transformers), configuration and tokenizer; memory holds one tensor.

    Raises ModelError when the model cannot be written so.
    """
    import gguf

    words = vocabulary.vocabulary_of(tokenizer, config["vocab_size"])
    parts = list(pieces(weights, config, dtype))
    writer = gguf.GGUFWriter(path, config["model_type"])
    kinds = gguf.LlamaFileType
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_file_type(
        {"f32": kinds.ALL_F32, "f16": kinds.MOSTLY_F16, "bf16": kinds.MOSTLY_BF16, "q8_0": kinds.MOSTLY_Q8_0}[dtype]
    )
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    architecture.describe(writer, config)
    vocabulary.describe(writer, tokenizer, words)
    for part in parts:
        _announce(writer, part)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for part in parts:
            writer.write_tensor_data(part.stored())
    finally:
        writer.close()
    return words


def _announce(writer: Any, part: Piece) -> None:
    """Tell the writer a tensor's shape and size before any is written."""
    import gguf
    import numpy as np

    shape = tuple(part.source.shape)
    block, size = gguf.GGML_QUANT_SIZES[part.kind]
    bytes_ = part.source.numel() // block * size
    writer.add_tensor_info(part.name, shape, np.dtype(np.float32), bytes_, raw_dtype=part.kind)


def check_gguf(
    path: Path,
    weights: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    words: vocabulary.Vocabulary,
    dtype: Dtype,
) -> None:
    """Read the file again and compare every tensor with the model, as near as its format can be, and the tokens.

    Raises ModelError for a value that the format cannot hold, DamagedError for anything else that differs.
    """
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(path)
    found = {tensor.name: tensor for tensor in reader.tensors}
    parts = {part.name: part for part in pieces(weights, config, dtype)}
    if found.keys() != parts.keys():
        raise _differs(path, f"has the tensors {sorted(found.keys() ^ parts.keys())[:3]} more or less than the model")
    for name, part in parts.items():
        wanted = part.values()
        got = gguf.quants.dequantize(found[name].data, found[name].tensor_type)
        if got.shape != wanted.shape:
            raise _differs(path, f"has {name} of shape {got.shape} and not {wanted.shape}")
        if not bool((np.abs(got - wanted) <= _tolerance(wanted, part.kind.name)).all()):
            if np.isfinite(wanted).all() and not np.isfinite(got).all():
                raise ModelError(
                    f"{name} has a weight of {np.abs(wanted).max():.3g}, more than {dtype} can hold.",
                    "Use --dtype bf16 or f32.",
                )
            raise _differs(path, f"has other values in {name}")
    if reader.fields["tokenizer.ggml.tokens"].contents() != words.tokens:
        raise _differs(path, "has other tokens")
    if reader.fields["tokenizer.ggml.merges"].contents() != words.merges:
        raise _differs(path, "has other merges")


def _tolerance(wanted: np.ndarray, kind: str) -> Any:
    """How far a stored number may be from its weight: half the distance of two neighbours, and a little."""
    import numpy as np

    size = np.abs(wanted)
    if kind == "F16":
        return size * 2.0**-11 + 2.0**-25
    if kind == "BF16":
        return size * 2.0**-8
    if kind == "Q8_0":
        most = size.reshape(-1, BLOCK).max(axis=1, keepdims=True)
        return np.broadcast_to(most * (0.51 / 127 + 2.0**-11) + 2.0**-18, (most.size, BLOCK)).reshape(wanted.shape)
    return 0.0


def _differs(path: Path, how: str) -> DamagedError:
    return DamagedError(f"{path.name}, read again, {how}.", "Nothing was kept. Please report it, with the base model.")
