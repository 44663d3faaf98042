"""What all API models share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A frozen part of a custom resource; camelCase outside, snake_case inside.

    Unknown fields are ignored: a cluster may hold objects of a newer release.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        coerce_numbers_to_str=False,
    )

    def dump(self) -> dict[str, Any]:
        """As the API server has it: camelCase, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def rule(expression: str, message: str) -> JsonValue:
    """One CEL validation of the field that it is put on; `message` says the remedy."""
    return {"rule": expression, "message": message}


class Condition(ApiModel):
    """One aspect of an object's state, as in Kubernetes' own objects."""

    type: str = Field(description="Ready, Reconciling or Stalled.", max_length=64)
    status: str = Field(
        description="True, False or Unknown.", json_schema_extra={"enum": ["True", "False", "Unknown"]}
    )
    reason: str = Field(description="One word for programs that says why.", max_length=128)
    message: str = Field(
        description="A sentence for people: what it is, and what to do about it.", max_length=4096
    )
    observed_generation: int = Field(
        description="metadata.generation of the object when this was written.",
        ge=0,
        json_schema_extra={"format": "int64"},
    )
    last_transition_time: str = Field(
        description="When `status` last changed.", json_schema_extra={"format": "date-time"}
    )


CONDITIONS: dict[str, JsonValue] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
