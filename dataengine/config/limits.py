"""Resource limits of one input in a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dataengine.config.sources import Model, Size
from dataengine.media.limits import Limits


class LimitsConfig(Model):
    """Resource limits of one input; exceeding one is a failure row."""

    bytes: Size = 512 << 20
    pixels: Annotated[int, Field(gt=0)] = 100_000_000
    frames: Annotated[int, Field(gt=0)] = 100_000
    seconds: Annotated[float, Field(gt=0)] = 30.0
    memory: Size = 4 << 30
    failed: Annotated[float, Field(ge=0, le=1, exclude=True)] = 0.2
    """Share of the inputs of a source of 50 inputs or more that may fail before the run stops; changes no result."""

    isolation: Annotated[Literal["available", "required"], Field(exclude=True)] = "available"
    """Whether a decode process may run where a measure of its confinement is not in force; changes no result."""

    def to_limits(self) -> Limits:
        """The same bounds as decoding takes them."""
        return Limits(**self.model_dump(), isolated=self.isolation == "required")
