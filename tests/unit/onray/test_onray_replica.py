"""Placing the endpoint: decided from numbers alone, without a cluster."""

from __future__ import annotations

import socket

import pytest
from ray import serve

from novelray.errors import CapacityError
from novelray.onray.deploy import port_problem
from novelray.onray.replica import ReplicaSettings, deployment_options
from novelray.onray.room import room_for
from novelray.onray.versions import as_canary
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
    assert "placement_group_bundles" not in options


def test_a_replica_on_several_gpus_gets_them_on_one_node_for_vllms_workers():
    section = ServeSection(engine="vllm", tensor_parallel=4)
    options = deployment_options(ReplicaSettings(source="folder:/m", version="a@1", device="gpu", serve=section))
    bundles = options["placement_group_bundles"]
    assert [bundle["GPU"] for bundle in bundles] == [1.0] * 4, "vLLM takes no bundle with more than one"
    assert options["placement_group_strategy"] == "STRICT_PACK"
    actor = options["ray_actor_options"]
    assert (actor["num_cpus"], actor["num_gpus"]) == (bundles[0]["CPU"], 0.0), "the replica itself computes nothing"
    serve.deployment(_Nothing).options(**options)  # Ray Serve's own checks


class _Nothing:
    pass


def test_replicas_on_several_gpus_need_room_for_all_of_them():
    cluster = {"CPU": 8.0, "GPU": 6.0}
    assert room_for(1, "auto", cluster, cluster, gpus=4) == "gpu"
    assert room_for(2, "auto", cluster, cluster, gpus=4) == "cpu"
    with pytest.raises(CapacityError, match="4 GPU each"):
        room_for(2, "gpu", cluster, cluster, gpus=4)


def test_between_two_numbers_of_replicas_serve_scales_by_what_a_batch_holds():
    def options(**section):
        serve = ServeSection(max_batch=6, **section)
        return deployment_options(ReplicaSettings(source="folder:/m", version="a@1", device="cpu", serve=serve))

    assert options(replicas=2)["num_replicas"] == 2
    assert "autoscaling_config" not in options(replicas=2, max_replicas=2)
    scaled = options(replicas=1, max_replicas=4)
    assert "num_replicas" not in scaled
    found = scaled["autoscaling_config"]
    assert (found["min_replicas"], found["max_replicas"], found["target_ongoing_requests"]) == (1, 4, 6)
    assert found["downscale_delay_s"] >= 300, "loading a model again costs more than keeping it for a while"
    with pytest.raises(ValueError, match="below replicas"):
        ServeSection(replicas=3, max_replicas=2)


def test_a_canary_has_the_names_of_the_stable_version_and_its_share_of_the_replicas():
    stable = ReplicaSettings(
        source="folder:/m", version="a@1", aliases=("live",), serve=ServeSection(replicas=8, port=9000)
    )
    new = stable.model_copy(update={"version": "a@2", "aliases": ("next",), "serve": ServeSection(max_replicas=3)})
    canary = as_canary(new, stable, 0.1)
    assert canary.aliases == ("live", "next")
    assert (canary.serve.replicas, canary.serve.max_replicas, canary.serve.port) == (1, 3, 9000)
    assert as_canary(new, stable, 0.5).serve.replicas == 4
    assert as_canary(new, stable, 0.5).serve.max_replicas == 4
