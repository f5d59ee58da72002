"""What every recipe section has in common: frozen, strict about keys, and an identity that ignores where things lie."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

NOT_IDENTITY: dict[str, Any] = {"identity": False}
"""Marks a field that changes where or how fast a stage runs, and not what it makes."""


class Section(BaseModel):
    """A recipe section. Fields are documented by the string under each; the reference page is made from those."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)

    def identity(self) -> dict[str, Any]:
        """The fields that decide the content of what is made, as plain JSON values."""
        return {name: _plain(getattr(self, name)) for name, field in type(self).model_fields.items() if _counts(field)}


def _counts(field: Any) -> bool:
    extra = field.json_schema_extra
    return not (isinstance(extra, dict) and extra.get("identity") is False)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


Share = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
