"""Runs a fine model over the candidate segments of sentences, and joins what it finds into the time of the video."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from coarse_to_fine.arguments import require_kind, require_positive, require_whole, several, shown
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.types import MomentOutput, SegmentFeatures, TextFeatures
from coarse_to_fine.wording import counted


@runtime_checkable
class FeatureSource(Protocol):
    """Where the features of a segment are read from; a dict of features by segment id is one."""

    def __getitem__(self, segment_id: str, /) -> SegmentFeatures: ...


class FineRetriever:
    """A fine model with the caches of the segments that it has seen, newest kept.

    Args:
        model: the fine model, in eval mode.
        keep: number of segments whose cache is kept for later calls.
        batch_size: pairs that are run together; about 8 is fastest on a CPU.

    Raises:
        UserError: one of these is of another kind.
    """

    def __init__(self, model: FineModel, keep: int = 1000, batch_size: int = 8) -> None:
        require_kind(model, FineModel, "model", "a fine model", "load one: load_fine(NAME) of fine_grained")
        require_whole(keep=keep)
        require_positive(batch_size=batch_size)
        if keep < 0:
            raise UserError(f"keep is {keep}, expected 0 or more segments; leave it out for the default")
        self.model, self.keep, self.batch_size = model, keep, batch_size
        self._caches: dict[str, Any] = {}

    def locate(
        self, texts: Sequence[TextFeatures], candidates: Sequence[Sequence[str]], features: FeatureSource
    ) -> list[dict[str, MomentOutput]]:
        """For each sentence its outputs by segment id, over its own candidates.

        A segment that several sentences ask for is prepared once; the result of a pair does not depend on the others.

        Args:
            texts: the sentences.
            candidates: for each sentence the ids of its segments.
            features: gives the features of a segment by id.

        Raises:
            UserError: no encoded sentences, not one list a sentence, a segment without features, or a model that does
                not keep its contract.
        """
        _require_asked(texts, candidates)
        if len(texts) != len(candidates):
            lists = counted(len(candidates), "candidate list")
            raise UserError(f"{counted(len(texts), 'sentence')} with {lists}; give one list a sentence")
        pairs = [(segment, text) for text, own in zip(texts, candidates, strict=True) for segment in own]
        caches = self._prepare([segment for segment, _ in pairs], features)
        found = self.model.locate([(caches[segment], text) for segment, text in pairs], self.batch_size)
        outputs = iter(_checked(found, len(pairs), self.model.name))
        return [{segment: next(outputs) for segment in own} for own in candidates]

    def forget(self) -> None:
        """Forget all caches: the features of a segment may have changed."""
        self._caches.clear()

    def _prepare(self, segments: Sequence[str], features: FeatureSource) -> Mapping[str, Any]:
        prepared: dict[str, Any] = {}
        for segment in dict.fromkeys(segments):
            cache = self._caches.pop(segment, None)
            prepared[segment] = self.model.video_cache(_features_of(segment, features)) if cache is None else cache
        self._caches.update(prepared)
        for segment in list(self._caches)[: max(0, len(self._caches) - self.keep)]:
            del self._caches[segment]
        return prepared


def _require_asked(texts: Iterable[object], candidates: Iterable[Iterable[object]]) -> None:
    step = "encode them with the library's encoder, or search with a Pipeline"
    for text in several(texts, "texts", "encoded sentences"):
        require_kind(text, TextFeatures, "one of the texts", "the TextFeatures of a sentence", step)
    for own in several(candidates, "candidates", "one list of segment ids a sentence"):
        several(own, "the candidates of a sentence", "ids of segments")


def _features_of(segment: str, features: FeatureSource) -> SegmentFeatures:
    try:
        return features[segment]
    except KeyError as error:
        raise UserError(
            f"no features of the segment {shown(segment)}; expected those of all candidates; read them with "
            "`segment_features` of the library"
        ) from error


def _checked(found: object, count: int, name: str) -> list[MomentOutput]:
    """What a model gave for so many pairs, which may be a model of the caller's own.

    Raises:
        UserError: no `MomentOutput` a pair, one of other shapes, or windows and scores that are no finite numbers.
    """
    outputs = list(found) if isinstance(found, Iterable) else None
    wrong = next((one for one in outputs or () if not _is_output(one)), None)
    if outputs is None or len(outputs) != count or wrong is not None:
        got = f"a value {shown(found)}" if outputs is None else f"a list of {len(outputs)}"
        got += f", one of them {_described(wrong)}" if wrong is not None else ""
        raise UserError(
            f"`locate` of the fine model {name!r} gave {got} for {counted(count, 'pair')}; expected a MomentOutput a "
            "pair, with windows_s (Q, 2), scores (Q,) and saliency (L,); mend the model"
        )
    _require_finite(outputs, name)
    return outputs


def _require_finite(outputs: Sequence[MomentOutput], name: str) -> None:
    if not outputs:
        return
    windows, scores = torch.cat([one.windows_s for one in outputs]), torch.cat([one.scores for one in outputs])
    if math.isfinite((windows.sum() + scores.sum()).item()):  # sooner known than of each number
        return
    for part, numbers in (("windows_s", windows), ("scores", scores)):
        if not bool(numbers.isfinite().all()):
            raise UserError(
                f"`locate` of the fine model {name!r} gave {part} with inf or NaN; expected finite numbers; mend the "
                "model"
            )


def _is_output(given: object) -> bool:
    if not isinstance(given, MomentOutput):
        return False
    parts = given.windows_s, given.scores, given.saliency
    if not all(isinstance(part, Tensor) for part in parts):
        return False
    return tuple(given.windows_s.shape) == (len(given.scores), 2) and given.scores.ndim == given.saliency.ndim == 1


def _described(given: object) -> str:
    if not isinstance(given, MomentOutput):
        return shown(given)
    parts = ("windows_s", "scores", "saliency")
    shapes = [(name, getattr(getattr(given, name), "shape", None)) for name in parts]
    return "with " + ", ".join(f"{name} {tuple(s) if s is not None else 'no tensor'}" for name, s in shapes)
