"""Where everything that a recipe makes is kept."""

from __future__ import annotations

from pydantic import Field

from novelray.recipe.base import NOT_IDENTITY, Section


class StorageSection(Section):
    """One root for corpora, shards, runs, models and the registry. Several nodes need one that all of them reach."""

    root: str = Field("./novelray-data", json_schema_extra=NOT_IDENTITY)
    """A local folder (relative to the recipe) or an `s3://bucket/prefix` or `gs://bucket/prefix` URI."""

    endpoint: str | None = Field(None, json_schema_extra=NOT_IDENTITY)
    """URL of an S3-compatible server (MinIO, Ceph, ...). Default: `AWS_ENDPOINT_URL`, else Amazon's."""

    cache: str | None = Field(None, json_schema_extra=NOT_IDENTITY)
    """Local folder on each node for copies of remote artifacts. Default: `~/.cache/novelray`."""
