"""What `novelray serve` does around the endpoint."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

STAY = """
from novelray.onray import serving
serving.undeploy = lambda say: say("texts are finished")
serving.stay(lambda line: print(line, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_endpoint_that_is_told_to_stop_finishes_its_texts_first(sent):
    with subprocess.Popen([sys.executable, "-c", STAY], stdout=subprocess.PIPE, text=True) as process:
        assert "Ctrl-C" in process.stdout.readline()
        process.send_signal(sent)
        assert process.stdout.read() == "texts are finished\n"
    assert process.returncode == 0
