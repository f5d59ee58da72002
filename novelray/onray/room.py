"""Whether copies of a model fit into a cluster, and what a person is told where they do not. Pure: from numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from novelray.errors import CapacityError
from novelray.onray.replica import resources


@dataclass(frozen=True)
class Copies:
    """Of an endpoint: how many there are, and the fewest and most that it may have."""

    now: int
    fewest: int
    most: int

    def after(self, fewest: int, most: int | None) -> int:
        """How many there are once it was replaced by a version that may have so many: Serve keeps what load asked."""
        return min(max(fewest, self.now), most or fewest)


def device_for(replicas: int, device: str, total: Mapping[str, float], gpus: int = 1) -> str:
    """The device that all replicas get, `cpu` or `gpu`. `total`: what the cluster has; `gpus`: of each replica."""
    if device == "auto":
        return "gpu" if total.get("GPU", 0) >= replicas * gpus else "cpu"
    return device


def room_for(replicas: int, device: str, total: Mapping[str, float], free: Mapping[str, float], gpus: int = 1) -> str:
    """The device that all replicas get. Raises CapacityError when they do not fit.

    `total`: what the cluster has; `free`: what of it the endpoint may use. `gpus`: of each replica on GPUs.
    """
    device = device_for(replicas, device, total, gpus)
    for name, each in resources(device == "gpu", gpus).items():
        have = int(free.get(name, 0) // each)
        if have < replicas:
            raise CapacityError(
                f"{replicas} replica(s) of {each:.0f} {name} each were asked for, and the cluster has room for {have}.",
                f"Set serve.replicas to {have}, or add nodes." if have else f"Free a {name}, or add nodes: ray status",
            )
    return device


def fits(count: int, each: Mapping[str, float], free: Mapping[str, float]) -> bool:
    """Whether `count` copies that need `each` fit into what is free."""
    return not _lacking(count, each, free)


def no_room_beside(
    version: str, count: int, each: Mapping[str, float], free: Mapping[str, float], stable: str, copies: Copies
) -> CapacityError:
    """That `count` copies of a canary do not fit beside the stable version, and what can be done about it."""
    needed = f"{_spelled(each, count)} for {count} copy(s) of {version} beside the {copies.now} of {stable}"
    message = f"The canary needs {needed}, and {_spelled(each, 1, free)} free."
    without = f"replace it without a canary: novelray deploy {version}"
    surplus = copies.most - _missing_copies(count, each, free)
    if surplus >= copies.fewest and copies.most > copies.fewest:
        return CapacityError(
            message, f"Deploy {stable} with serve.max_replicas={surplus}, wait until load leaves a copy, or {without}"
        )
    fewer = f"deploy {stable} with fewer serve.replicas, " if copies.fewest > 1 else ""
    lacking = _lacking(count, each, free)
    return CapacityError(message, f"Free {' and '.join(lacking)} or add nodes (see: ray status), {fewer}or {without}")


def shortage(each: Mapping[str, float], free: Mapping[str, float]) -> str:
    """What one more copy lacks, as a sentence; empty when nothing."""
    lacking = _lacking(1, each, free)
    if not lacking:
        return ""
    needed = f"a copy needs {_spelled(each, 1)}, and {_spelled(each, 1, free)} free"
    return f"There is not enough {' and '.join(lacking)} for it: {needed}."


def _lacking(count: int, each: Mapping[str, float], free: Mapping[str, float]) -> list[str]:
    return [name for name, amount in each.items() if free.get(name, 0.0) < amount * count]


def _missing_copies(count: int, each: Mapping[str, float], free: Mapping[str, float]) -> int:
    """How many copies of the same size have to go."""
    return count - min(int(free.get(name, 0.0) // amount) for name, amount in each.items())


def _spelled(each: Mapping[str, float], count: int, free: Mapping[str, float] | None = None) -> str:
    """`2 CPU and 2 GPU`; of what is free: `0 CPU and 1 GPU are`."""
    amounts = {name: amount * count if free is None else free.get(name, 0.0) for name, amount in each.items()}
    words = " and ".join(f"{amount:g} {name}" for name, amount in amounts.items())
    return words if free is None else f"{words} {'is' if [*amounts.values()] == [1.0] else 'are'}"
