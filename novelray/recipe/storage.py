"""Where everything that a recipe makes is kept."""

from __future__ import annotations

from novelray.recipe.base import Section


class StorageSection(Section):
    """One root for corpora, shards, runs, models and the registry. Several nodes need one that all of them reach."""

    counts = False

    root: str = "./novelray-data"
    """A local folder (relative to the recipe) or an `s3://bucket/prefix` or `gs://bucket/prefix` URI."""

    endpoint: str | None = None
    """URL of an S3-compatible server (MinIO, Ceph, ...). Default: `AWS_ENDPOINT_URL`, else Amazon's."""

    cache: str | None = None
    """Local folder on each node for copies of remote artifacts. Default: `~/.cache/novelray`."""
