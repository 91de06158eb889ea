"""Text features of published files: word states and sentence embedding of each query.

Axes: T word tokens, W width of word states, D width of the sentence embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.published.arrays import checked_rows, checked_vector
from coarse_to_fine.features.published.config import Texts
from coarse_to_fine.features.published.files import FeatureFiles, open_files
from coarse_to_fine.features.published.names import Name, array_name
from coarse_to_fine.types import TextFeatures

SAME_VALUES = 1e-3
"""Two queries with one sentence may differ by rounding at most."""


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query with the name of its array."""

    query: MomentQuery
    name: Name


def named_queries(config: Texts, queries: Sequence[MomentQuery], ids: Mapping[str, str] | None) -> list[NamedQuery]:
    """Names of the arrays of queries.

    Args:
        config: its pattern is filled in.
        queries: in file order.
        ids: the id that names the array, by query id, where it is another one; queries that it lacks are left out.
    """
    places: dict[str, int] = {}
    found = []
    for query in queries:
        index = places.get(query.video_id, 0)
        places[query.video_id] = index + 1
        query_id = query.query_id if ids is None else ids.get(query.query_id)
        if query_id is None:
            continue
        name = array_name(config.pattern, query_id=query_id, video_id=query.video_id, index=str(index))
        found.append(NamedQuery(query, name))
    return found


class PublishedTexts:
    """Reads the features of queries."""

    def __init__(self, config: Texts) -> None:
        """Open the files.

        Raises:
            DataError: there is no such folder or file.
        """
        self.config = config
        self.width = config.width
        self._files: FeatureFiles = open_files(config.form, config.path)

    def absent(self, queries: Sequence[NamedQuery]) -> list[str]:
        """Ids of the queries without an array."""
        return [each.query.query_id for each in queries if each.name not in self._files]

    def read(self, named: NamedQuery) -> TextFeatures:
        """Features of one query.

        Raises:
            DataError: absent, or an array fails a check.
        """
        array, where = self._files.read(named.name, self.config.key)
        tokens = checked_rows(array, where, self.width)
        self.width = self.width or tokens.shape[1]
        return TextFeatures(named.query.text, self._sentence(named, tokens), tokens)

    def _sentence(self, named: NamedQuery, tokens: Tensor) -> Tensor:
        if self.config.sentence_key is None:
            return tokens.mean(dim=0)
        return checked_vector(*self._files.read(named.name, self.config.sentence_key))


def refuse_other_values(stored: TextFeatures, again: TextFeatures, query_id: str) -> None:
    """Check that a sentence has the same features in every query that has it.

    Raises:
        DataError: it does not; the names of the files are probably those of another annotation file.
    """
    same = stored.tokens.shape == again.tokens.shape and torch.allclose(
        stored.tokens, again.tokens, rtol=SAME_VALUES, atol=SAME_VALUES
    )
    if not same:
        raise DataError(
            f"query {query_id}: the sentence {again.text!r} has other features than in an earlier query; expected "
            "equal ones; the ids of these files are probably those of another annotation file: name it by ids_from"
        )
