"""Models of the real sizes with random weights, as folders like those that their makers publish."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

GB = 10**9


@dataclass(frozen=True)
class Shape:
    """Llama architecture. `guide`: the memory that the field's guide gives for fine-tuning it, in bytes."""

    like: str
    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    positions: int
    guide: float

    @property
    def config(self) -> dict[str, Any]:
        """The content of config.json."""
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": self.vocabulary,
            "hidden_size": self.hidden, "intermediate_size": self.inner, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.heads,
            "max_position_embeddings": self.positions, "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
            "bos_token_id": 1, "eos_token_id": 2, "dtype": "bfloat16",
        }  # fmt: skip


REAL = {
    "1.3b": Shape("deepseek-coder-1.3b", 2048, 5504, 24, 16, 32256, 16384, 12 * GB),
    "7b": Shape("Llama-2-7b", 4096, 11008, 32, 32, 32000, 4096, 48 * GB),
    "13b": Shape("Llama-2-13b", 5120, 13824, 40, 40, 32000, 4096, 80 * GB),
}
SMALL = {name: Shape(f"{name}, tiny", 64, 128, 2, 4, 4096, 4096, shape.guide) for name, shape in REAL.items()}


def write_model(shape: Shape, folder: Path) -> Path:
    """A folder that transformers loads: bf16, normal with a deviation of 0.02, norms one; a file for each layer.

    Blocks of one pool of random numbers are written again and again: drawing 13 billion would take minutes.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(shape.config))
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape.config))
    files: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in model.state_dict().items():
        part = name.split(".")[2] if ".layers." in name else "rest"
        files.setdefault(f"model-{part}.safetensors", {})[name] = tuple(tensor.shape)
    pool = (torch.randn(1 << 25) * 0.02).bfloat16().view(torch.uint8).numpy()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda file: _write(folder / file, files[file], memoryview(pool)), files))
    index = {name: file for file, shapes in files.items() for name in shapes}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def _write(path: Path, shapes: dict[str, tuple[int, ...]], pool: memoryview) -> None:
    """One safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, size in shapes.items():
        start, end = end, end + 2 * prod(size)
        header[name] = {"dtype": "BF16", "shape": list(size), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, size in shapes.items():
            left = 2 * prod(size)
            if "norm" in name:
                file.write(b"\x80\x3f" * (left // 2))  # 1.0 in bf16
                continue
            while left:
                left -= file.write(pool[: min(left, len(pool))])
