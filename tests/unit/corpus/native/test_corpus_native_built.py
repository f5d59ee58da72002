"""What is to be compiled is compiled where a compiler is, and can be switched off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import novelray.corpus.native as native

NAMES = sorted(path.stem for path in Path(native.__file__).parent.glob("*.pyx"))
COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


def found(pure):
    """Which of the modules a fresh process finds."""
    asked = f"from novelray.corpus.native import compiled; print(*[n for n in {NAMES} if compiled(n)])"
    done = subprocess.run(
        [sys.executable, "-c", asked], env={**os.environ, "NOVELRAY_PURE_PYTHON": pure}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")
def test_each_module_is_compiled_where_a_compiler_is():
    assert NAMES
    assert found("0") == NAMES, (
        "an installation passes over what does not compile: run make install and read its output"
    )


def test_compiled_modules_can_be_switched_off():
    assert found("1") == []
