"""Systems of two stages for `world_table.py`: named lists of folders, and a pipeline that computes nothing twice.

A ranking depends on the coarse model and the sentence, a located moment on the fine model, the sentence and the
segment; so several coarse models before one fine model share most of the work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.load import COARSE_MODELS, load_coarse
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever, RankedVideo
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.load import FINE_MODELS
from coarse_to_fine.fine_grained.retrieve import FeatureSource, FineRetriever
from coarse_to_fine.fusion import FusionConfig, bundled_fusion, read_fusion
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.model_folders import BUNDLED_ENCODER, read_document
from coarse_to_fine.types import MomentOutput, TextFeatures


@dataclass(frozen=True, slots=True)
class System:
    """One row of a table.

    Attributes:
        label: its name in the table.
        model: the name of its model.
        runs: names or folders, one a training seed.
    """

    label: str
    model: str
    runs: tuple[str, ...]


def read_systems(given: Sequence[str], stage: str) -> list[System]:
    """Systems from `A,B,C` or `label=A,B,C`; without a label the row is named after the model that the folders hold.

    Args:
        given: names or folders with commas between the seeds of one system.
        stage: `coarse` or `fine`.

    Raises:
        UserError: folders of several models in one system, or two systems with one label.
        WeightsError: a folder that holds no model.
    """
    known = COARSE_MODELS if stage == "coarse" else FINE_MODELS
    found: dict[str, System] = {}
    for text in given:
        label, _, listed = text.rpartition("=")
        runs = tuple(run for run in listed.split(",") if run)
        models = {run if run in known else str(read_document(run)["model"]) for run in runs}
        if len(models) != 1:
            raise UserError(f"{text!r} names the models {sorted(models)}; expected one, one folder a seed; split them")
        model = models.pop()
        system = System(label or model, model, runs)
        if system.label in found:
            raise UserError(f"two {stage} systems are called {system.label!r}; give one a name: other={listed}")
        found[system.label] = system
    return list(found.values())


class KeptRanking(CoarseRetriever):
    """Ranks every video once a sentence, and cuts the list to what is asked for."""

    def __init__(self, model: CoarseModel, library: Library) -> None:
        super().__init__(model, library)
        self._videos = len(list(library.videos()))
        self._kept: dict[tuple[bytes, int, int], list[RankedVideo]] = {}

    def rank(
        self,
        text: Tensor,
        top_videos: int = 10,
        segments_a_video: int = 1,
        seed: int = 0,
        among: Collection[str] | None = None,
    ) -> list[list[RankedVideo]]:
        assert among is None, "the whole library is ranked"
        keys = [(row.numpy().tobytes(), segments_a_video, seed) for row in text]
        fresh = {key: row for key, row in zip(keys, text) if key not in self._kept}
        if fresh:
            ranked = super().rank(torch.stack(list(fresh.values())), self._videos, segments_a_video, seed)
            self._kept.update(zip(fresh, ranked, strict=True))
        return [self._kept[key][:top_videos] for key in keys]


class KeptMoments(FineRetriever):
    """Locates a sentence in a segment once."""

    def __init__(self, model: FineModel) -> None:
        super().__init__(model)
        self._kept: dict[tuple[str, str], MomentOutput] = {}

    def locate(
        self, texts: Sequence[TextFeatures], candidates: Sequence[Sequence[str]], features: FeatureSource
    ) -> list[dict[str, MomentOutput]]:
        fresh = [
            [segment for segment in own if (text.text, segment) not in self._kept]
            for text, own in zip(texts, candidates, strict=True)
        ]
        for text, outputs in zip(texts, super().locate(texts, fresh, features), strict=True):
            self._kept.update(((text.text, segment), output) for segment, output in outputs.items())
        return [
            {segment: self._kept[text.text, segment] for segment in own}
            for text, own in zip(texts, candidates, strict=True)
        ]


class Parts:
    """The library and what was computed over it so far."""

    def __init__(self, library: Path, fusions: Path | None) -> None:
        self.library = Library.open(library, read_only=True)
        self.fusions = fusions
        self._coarse: dict[str, KeptRanking] = {}
        self._fine: dict[str, KeptMoments] = {}
        self._texts: dict[str, TextFeatures] = {}

    def pipeline(self, coarse: str, fine: str, fusion: FusionConfig | None = None) -> Pipeline:
        """Both stages, sharing what other pipelines have found."""
        encoder = self.library.encoder_name
        if coarse not in self._coarse:
            self._coarse[coarse] = KeptRanking(load_coarse(coarse, encoder=encoder), self.library)
        if fine not in self._fine:
            self._fine[fine] = KeptMoments(load_fine(fine, encoder=encoder))
        ranking, moments = self._coarse[coarse], self._fine[fine]
        made = Pipeline(self.library, ranking.model, moments.model, fusion)
        made._coarse, made._fine, made._texts = ranking, moments, self._texts
        return made

    def forget(self, fine: str) -> None:
        """A fine model that is not needed any more."""
        self._fine.pop(fine, None)

    def fusion(self, coarse: System, fine: System) -> tuple[FusionConfig, str]:
        """How the scores of two systems are joined, and where that was read; labels first, then the models."""
        names = dict.fromkeys([(coarse.label, fine.label), (coarse.model, fine.model)])
        for first, second in names if self.fusions is not None else ():
            path = self.fusions / f"fusion-{first}-{second}.json"  # type: ignore[operator]
            if path.is_file():
                return read_fusion(path), path.name
        bundled = bundled_fusion(coarse.model, fine.model)
        if self.library.encoder_name == BUNDLED_ENCODER and bundled != FusionConfig():
            return bundled, "bundled"
        return FusionConfig(), "not chosen, the defaults"


def paired_runs(coarse: System, fine: System) -> list[tuple[str, str]]:
    """Run by run; the shorter list begins again."""
    count = max(len(coarse.runs), len(fine.runs))
    return [(coarse.runs[run % len(coarse.runs)], fine.runs[run % len(fine.runs)]) for run in range(count)]
