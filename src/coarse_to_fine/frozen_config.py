"""The base of all configurations: frozen, strict, and refused in one line where Python code makes one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from coarse_to_fine.config_problems import one_line
from coarse_to_fine.errors import ConfigError


class FrozenConfig(BaseModel):
    """Values that are validated once and never change; unknown keys, inf and NaN are refused.

    Validation of a mapping (`model_validate`, a section inside another configuration) raises what pydantic raises, so
    that a reader of files can name the file and the place in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        """Validate what Python code gives.

        Raises:
            ConfigError: an unknown or missing key, or a value out of range; one line.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = one_line(type(self), values, error, section="an object of its class, or a dict")
            raise ConfigError(f"{type(self).__name__}: {problems}") from None

    def __setattr__(self, name: str, value: object) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError:
            raise ConfigError(
                f"{type(self).__name__}.{name} cannot be set; expected values that are given when it is made; make "
                f"another: model_copy(update={{{name!r}: ...}})"
            ) from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # else nested sections are made through it
