"""What a training configuration says about a model: the base of every recipe, and the choice among those of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from coarse_to_fine.frozen_config import FrozenConfig

if TYPE_CHECKING:
    from coarse_to_fine.model_folders import StoredModel


class Recipe(FrozenConfig):
    """A model and how it learns: the section `recipe` of a training configuration.

    Each model has its own with `name: Literal["..."]`, the architecture that it is built from, and whatever decides
    how it learns.
    """

    name: str
    architecture: BaseModel


def recipe_of(models: Mapping[str, type[StoredModel]]) -> Any:
    """The type of a field that holds the recipe of one of these models, told apart by `name`.

    Models that are not trained have none and are left out.
    """
    recipes = [found for model in models.values() if (found := model.recipe_class()) is not None]
    return Annotated[reduce(or_, recipes), Field(discriminator="name")]
