"""What Ray wrapped around an error of ours, unwrapped; and what Ray itself has to say, as an error of ours."""

from __future__ import annotations

from novelray.errors import ClusterError, NovelRayError


def our_error(error: BaseException | None) -> NovelRayError | None:
    """The error of our family that a task raised, found inside what Ray wrapped around it; None for a defect."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "cause", None)
        if isinstance(inner, NovelRayError):
            return inner
        if type(error).__module__.startswith("novelray") and isinstance(error, NovelRayError):
            return error
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return None


def from_ray(error: BaseException, doing: str) -> NovelRayError:
    """The error for a person: ours where a task raised one, else that the cluster failed while `doing`."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return our_error(error) or ClusterError(
        f"{doing} failed on the cluster: {lines[-1]}", "Run the same command again."
    )
