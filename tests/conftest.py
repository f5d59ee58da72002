"""Shared fixtures. Tests that need Ray share one session: starting one costs tens of seconds."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from novelray.storage import Artifacts, Store

S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NOVELS = Path(os.environ.get("NOVELRAY_NOVELS", Path(__file__).parents[2] / "shared" / "corpora"))


@pytest.fixture(scope="session")
def novels() -> Path:
    """Folder of real novels; the test skips, saying so, where there is none."""
    if not (NOVELS / "zh").is_dir():
        pytest.skip(f"no novels at {NOVELS}; set NOVELRAY_NOVELS")
    return NOVELS


@pytest.fixture(scope="session")
def samples() -> Path:
    """The stories that come with the package."""
    import novelray

    return Path(novelray.__file__).parent / "samples"


@pytest.fixture
def artifacts(tmp_path) -> Artifacts:
    """An empty local store."""
    return Artifacts(Store(str(tmp_path / "store")), cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def one_thread():
    """For models so small that a second thread costs more than it gives, the more so on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def ray_session():
    """One local Ray cluster of two CPUs for the whole test run."""
    from novelray.onray import session

    os.environ.update(S3_KEYS)  # workers have the environment that the cluster was started with
    session.start(dashboard=True, num_cpus=2)  # a sweep needs the dashboard
    yield
    session.stop()


@pytest.fixture
def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
