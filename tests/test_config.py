from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from coarse_to_fine.config import load_config, parse_value
from coarse_to_fine.errors import ConfigError, UserError
from coarse_to_fine.spelling import nearest


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=1e-3, gt=0)
    name: str = "plain"
    sizes: tuple[int, ...] = ()
    betas: tuple[float, float] | None = None


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    training: Inner = Inner()
    variants: list[Inner] = []
    optional: Inner | None = None
    tuned: Inner = Inner(learning_rate=0.5, name="tuned")
    mode: Literal["fast", "exact"] = "exact"
    shape: Circle | Square | None = Field(default=None, discriminator="kind")
    low: int = 0
    high: int = 10

    @model_validator(mode="after")
    def _ordered(self) -> Outer:
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above high {self.high}; lower it")
        return self


def test_file_and_overrides_are_merged_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("training: {learning_rate: 2e-4, name: file}\nlow: 3\n")
    config = load_config(Outer, path, ["training.name=set", "high=7"])
    assert config == Outer(training=Inner(learning_rate=2e-4, name="set"), low=3, high=7)


def test_section_that_names_some_keys_keeps_the_other_defaults(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("tuned: {sizes: [1]}\n")
    assert load_config(Outer, path).tuned == Inner(learning_rate=0.5, name="tuned", sizes=(1,))
    assert load_config(Outer, None, ["tuned.name=x"]).tuned == Inner(learning_rate=0.5, name="x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-2.5E+3", -2500.0),
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("[1, 2e-1]", [1, 0.2]),
        ("{a: 1e3}", {"a": 1000.0}),
        ("plain text", "plain text"),
        ("[open", "[open"),
        ("", None),
    ],
)
def test_override_values_have_the_type_they_look_like(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_value_may_hold_an_equals_sign() -> None:
    assert load_config(Outer, None, ["training.name=a=b"]).training.name == "a=b"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("lo=1", "unknown key 'lo', did you mean 'low'?"),
        ("training.learning_rat=1", "unknown key 'training.learning_rat', did you mean 'learning_rate'?"),
        ("optional.nam=x", "unknown key 'optional.nam', did you mean 'name'?"),
        ("variants=[{}, {size: []}]", "unknown key 'variants.1.size', did you mean 'sizes'?"),
        ("zzzzzz=1", "known: high, low, mode, optional, shape, training, tuned, variants"),
        ("training.learning_rate=-1", "training.learning_rate is -1: input should be greater than 0"),
        ("mode=slow", "mode is 'slow': input should be 'fast' or 'exact'"),
        ("training.betas=[0.9]", "training.betas is [0.9]: expected a list of 2 values"),
        ("training.betas=[1, 2, 3]", "training.betas is [1, 2, 3]: expected a list of 2 values"),
        ("training.betas=0.9", "training.betas is 0.9: expected a list of 2 values"),
        ("training.sizes=3", "training.sizes is 3: expected a list"),
        ("training=3", "training is 3: expected `key: value` lines"),
        ("shape.kind=sqare", "shape.kind is 'sqare', did you mean 'square'?"),
        ("shape={size: 1}", "the key 'shape.kind' is missing; add it"),
        ("low=11", "low is 11, above high 10; lower it"),
        ("low", "expected key=value"),
        (".low=1", "expected key=value"),
    ],
)
def test_wrong_overrides_are_refused_in_one_line(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, None, [override])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["- 1\n- 2\n", "a: [1\n", "just text"])
def test_files_that_are_no_mapping_are_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"broken\.yaml: .*correct the file"):
        load_config(Outer, path)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_config(Outer, tmp_path / "none.yaml")


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert load_config(Outer, path) == Outer()


def test_nearest_lists_all_names_if_none_is_near() -> None:
    assert nearest("qqq", ["beta", "alpha"]) == "known: alpha, beta"


@pytest.mark.parametrize(
    ("model_class", "overrides", "message"),
    [
        (Outer, "low=1", r"overrides is the text 'low=1'; expected .*; put it into a list: \['low=1'\]"),
        (Outer, [5], "an override is 5; expected a text `key=value`"),
        (Outer, 5, "overrides is 5; expected texts `key=value`; give a list"),
        ("Outer", [], "model_class is 'Outer'; expected the class of a configuration"),
        (Outer(), [], "model_class is of type Outer; expected the class of a configuration"),
    ],
)
def test_arguments_of_another_kind_are_refused(model_class: Any, overrides: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(model_class, None, overrides)
