"""The step `evaluate`: every query of the reported split is answered and measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coarse_to_fine.evaluation.html_report import write_html
from coarse_to_fine.evaluation.predictions import QueryPrediction, write_predictions
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.truth import read_truth
from coarse_to_fine.experiment import evaluate_pipeline, read_asked
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fusion import read_fusion
from coarse_to_fine.main_pipeline.fingerprints import files_digest
from coarse_to_fine.main_pipeline.run_config import PublishedData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.main_pipeline.steps.places import (
    annotation_step,
    annotations_folder,
    features_folder,
    model_of,
)
from coarse_to_fine.main_pipeline.steps.searching import (
    FUSION_FILE,
    given_models,
    model_settings,
    pipeline_of,
    trained_steps,
)
from coarse_to_fine.main_pipeline.video_lengths import asked_queries
from coarse_to_fine.stage_evaluation import evaluate_fine

QUERY_SECONDS = 0.03
BYTES_A_QUERY = 9000


class Evaluate(Step):
    """Writes `predictions.<kind>.jsonl`, `report.<kind>.json` and `report.<kind>.html` for each kind of queries."""

    name = "evaluate"

    @property
    def needs(self) -> tuple[str, ...]:
        if isinstance(self.config.data, PublishedData):
            return ("features", *trained_steps(self.config))
        trained = trained_steps(self.config)
        features = ("features",) if trained else ()  # the training queries, for the chance lines
        return (annotation_step(self.config), *features, "library", *trained, "fusion")

    def settings(self) -> Mapping[str, Any]:
        values = self.config.evaluation.model_dump(mode="json")
        return {**values, "models": model_settings(self.config), "split": self.config.tested}

    def inputs(self) -> Mapping[str, str]:
        return given_models(self.config)

    def run(self, work: Work) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(self.config.data, PublishedData):
            self._write("fine", *self._fine_alone())
        else:
            for kind in self.config.evaluation.queries:
                self._write(kind, *self._both(kind, work))

    def outputs(self) -> Mapping[str, str]:
        names = ("predictions.{}.jsonl", "report.{}.json", "report.{}.html")
        return {
            kind: files_digest([self.folder / name.format(kind) for name in names], self.folder)
            for kind in self.config.evaluation.queries
        }

    def cost(self) -> Cost:
        queries = sum(asked_queries(self.config, kind) for kind in self.config.evaluation.queries)
        return Cost(queries * QUERY_SECONDS, queries * BYTES_A_QUERY)

    def _both(self, kind: str, work: Work) -> tuple[list[QueryPrediction], Report]:
        settings, split = self.config.evaluation, self.config.tested
        asked = read_asked(annotations_folder(self.config, self.root, split), split, kind)
        pipeline = pipeline_of(self.config, self.root, split, read_fusion(self.root / "fusion" / FUSION_FILE))
        with pipeline.library:
            return evaluate_pipeline(
                pipeline,
                asked,
                train=read_truth(learned, "train") if (learned := self._learned(kind)).is_file() else None,
                top_videos=settings.top_videos,
                seed=settings.seed,
                resamples=settings.resamples,
                thresholds=settings.thresholds,
                progress=work.progress,
            )

    def _learned(self, kind: str) -> Path:
        """Training queries, from which the chance lines draw their windows."""
        folder = features_folder(self.root, "train") / "annotations"
        return folder / ("coarse.train.jsonl" if kind == "coarse" else "queries.train.jsonl")

    def _fine_alone(self) -> tuple[list[QueryPrediction], Report]:
        model = load_fine(model_of(self.config, self.root, "fine"))
        folder = features_folder(self.root, self.config.tested)
        settings = self.config.evaluation
        return evaluate_fine(
            model,
            folder,
            self.config.tested,
            thresholds=settings.thresholds,
            lengths=settings.lengths,
            official=settings.official,
            resamples=settings.resamples,
            title=model.name,
        )

    def _write(self, kind: str, answers: list[QueryPrediction], report: Report) -> None:
        write_predictions(self.folder / f"predictions.{kind}.jsonl", answers)
        report.write_json(self.folder / f"report.{kind}.json")
        write_html(self.folder / f"report.{kind}.html", report)
