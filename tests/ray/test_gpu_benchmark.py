"""The GPU benchmark runs: the same code on tiny models without a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.ray
@pytest.mark.slow
def test_the_gpu_benchmark_measures_both_loops_and_skips_what_its_budget_has_no_room_for():
    command = [sys.executable, str(ROOT / "benchmarks/gpu/train.py"), "--small", "--steps", "6", "--budget", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    cases = json.loads(done.stdout.splitlines()[-1])["cases"]
    first, *others = cases.values()
    assert "failed" not in first
    assert first["tokens_per_s"] > 0
    assert first["bare"]["tokens_per_s"] > 0
    assert all(case == {"skipped": "no time left"} for case in others)
