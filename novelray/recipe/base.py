"""What every recipe section has in common: frozen, strict about keys, and an identity that ignores where things lie."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

NOT_IDENTITY: dict[str, Any] = {"identity": False}
"""Marks a field that changes where or how fast a stage runs, and not what it makes."""


class Section(BaseModel):
    """A recipe section. Fields are documented by the string under each; the reference page is made from those."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    counts: ClassVar[bool] = True
    """False for a section that says only where or how fast things happen: no field of it is part of any identity."""

    @model_validator(mode="before")
    @classmethod
    def _empty_section_means_defaults(cls, data: Any) -> Any:
        """`lora:` with nothing under it is None in YAML."""
        if not isinstance(data, dict):
            return data
        return {k: ({} if v is None and cls._is_section(k) else v) for k, v in data.items()}

    @classmethod
    def _is_section(cls, name: Any) -> bool:
        field = cls.model_fields.get(name) if isinstance(name, str) else None
        return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Section)

    def identity(self) -> dict[str, Any]:
        """The fields that decide the content of what is made, as plain JSON values."""
        cls = type(self)
        return {name: _plain(getattr(self, name)) for name in cls.model_fields if cls.field_counts(name)}

    @classmethod
    def field_counts(cls, name: str) -> bool:
        """Whether a field decides what is made."""
        extra = cls.model_fields[name].json_schema_extra
        return cls.counts and not (isinstance(extra, dict) and extra.get("identity") is False)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


Share = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
