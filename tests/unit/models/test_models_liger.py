"""Liger's kernels compute what transformers does. They run in Triton's interpreter here, where the package is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from support.tiny_models import make_model, make_tokenizer

from novelray.errors import TrainError
from novelray.models.liger import check_liger, use_liger

LIGER = importlib.util.find_spec("liger_kernel") and importlib.util.find_spec("triton")


def test_a_run_on_cpus_is_refused():
    with pytest.raises(TrainError, match="needs GPUs"):
        check_liger("cpu")


@pytest.mark.slow
@pytest.mark.skipif(not LIGER, reason="needs the extra liger")
@pytest.mark.parametrize("kind", ["llama", "qwen2"])  # what DeepSeek's take asks for a GPU's driver
def test_loss_and_gradients_are_those_without_it(kind):
    """In a process of its own: Triton asks for its interpreter when it is imported."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, __file__, kind], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def _mend_interpreter():
    """Compiled kernels get numbers as tensors, which the interpreter leaves as they are when they have a point; and it
    cannot call the device's own library."""
    import numpy as np
    import triton.language as tl
    from liger_kernel.ops import rms_norm
    from triton.runtime import interpreter

    plain = interpreter._implicit_cvt

    def convert(arg):
        if isinstance(arg, float):
            return tl.tensor(interpreter.TensorHandle(np.array([arg], np.float32), tl.float32), tl.float32)
        return plain(arg)

    interpreter._implicit_cvt = convert
    rms_norm.rsqrt = lambda x: tl.rsqrt(x)  # looked up while a kernel runs, when it is the interpreter's


def _compare(kind):
    _mend_interpreter()
    model = make_model(make_tokenizer(), kind).train()
    ids = torch.randint(5, 50, (2, 33), generator=torch.Generator().manual_seed(1))
    found = []
    for uses in (False, True):
        if uses:
            use_liger(model)
        model.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        found.append([loss.detach(), *[p.grad.clone() for p in model.parameters()]])
    assert "Liger" in str(model)
    for plain, liger in zip(*found, strict=True):
        torch.testing.assert_close(liger, plain, atol=1e-5, rtol=1e-4)


if __name__ == "__main__":
    _compare(sys.argv[1])
