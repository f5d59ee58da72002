"""Placing the endpoint: decided from numbers alone, without a cluster."""

from __future__ import annotations

import socket

import pytest

from novelray.errors import CapacityError
from novelray.onray.deploy import port_problem, room_for
from novelray.onray.replica import ReplicaSettings, deployment_options
from novelray.recipe.serve import ServeSection


@pytest.mark.parametrize(
    ("replicas", "device", "total", "free", "expected"),
    [
        (1, "auto", {"CPU": 2.0}, {"CPU": 2.0}, "cpu"),
        (2, "auto", {"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 2.0}, "gpu"),
        (2, "auto", {"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 1.0}, "cpu"),
        (1, "cpu", {"CPU": 8.0, "GPU": 1.0}, {"CPU": 1.0}, "cpu"),
    ],
)
def test_replicas_get_gpus_when_there_are_enough(replicas, device, total, free, expected):
    assert room_for(replicas, device, total, free) == expected


@pytest.mark.parametrize(
    ("replicas", "device", "total", "free", "said"),
    [
        (3, "cpu", {"CPU": 2.0}, {"CPU": 2.0}, "serve.replicas to 2"),
        (1, "gpu", {"CPU": 2.0}, {"CPU": 2.0}, "0"),
        (1, "cpu", {"CPU": 2.0}, {"CPU": 0.0}, "Free a CPU"),
    ],
)
def test_more_replicas_than_there_is_room_for_is_refused_instead_of_waiting(replicas, device, total, free, said):
    with pytest.raises(CapacityError) as caught:
        room_for(replicas, device, total, free)
    assert said in str(caught.value)


def test_a_port_in_use_is_seen_and_a_free_one_is_left_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "in use" in port_problem("127.0.0.1", port)
    assert port_problem("127.0.0.1", port) is None
    assert port_problem("127.0.0.1", port) is None
    assert port_problem("192.0.2.1", port) is not None


def test_serve_gets_options_for_long_texts():
    section = ServeSection(max_batch=4, max_queue=10, drain_s=77)
    options = deployment_options(ReplicaSettings(source="folder:/m", version="a@1", device="cpu", serve=section))
    assert options["max_ongoing_requests"] > 14, "Serve would hold requests back before the engine can say 429"
    assert options["graceful_shutdown_timeout_s"] == 77
    assert options["backpressure_config"]["status_code"] == 429
    assert options["ray_actor_options"]["num_gpus"] == 0
