"""The step `fusion`: how the scores of both stages are joined is chosen on the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.experiment import choose_fusion, read_queries
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.main_pipeline.fingerprints import files_digest
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.main_pipeline.steps.places import annotation_step, annotations_folder
from coarse_to_fine.main_pipeline.steps.searching import (
    FUSION_FILE,
    given_models,
    model_settings,
    pipeline_of,
    trained_steps,
)
from coarse_to_fine.main_pipeline.video_lengths import queries_by_split

SEARCH_SECONDS = 0.05


class ChooseFusion(Step):
    """Writes weight and temperature."""

    name = "fusion"

    @property
    def needs(self) -> tuple[str, ...]:
        return (annotation_step(self.config), "library", *trained_steps(self.config))

    def settings(self) -> Mapping[str, Any]:
        evaluation = self.config.evaluation
        return {"top_videos": evaluation.top_videos, "seed": evaluation.seed, "models": model_settings(self.config)}

    def inputs(self) -> Mapping[str, str]:
        return given_models(self.config)

    def run(self, work: Work) -> None:
        evaluation = self.config.evaluation
        truth = read_queries(annotations_folder(self.config, self.root, "val"), "val")
        pipeline = pipeline_of(self.config, self.root, "val", FusionConfig())
        with pipeline.library:
            chosen, recall = choose_fusion(pipeline, truth, top_videos=evaluation.top_videos, seed=evaluation.seed)
        work.note(f"alpha {chosen.alpha:g}, temperature {chosen.temperature:g}: validation R@1 at IoU 0.5 {recall:.2f}")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.folder / FUSION_FILE, chosen.model_dump_json() + "\n")

    def outputs(self) -> Mapping[str, str]:
        return {"fusion": files_digest([self.folder / FUSION_FILE], self.folder)}

    def cost(self) -> Cost:
        return Cost(queries_by_split(self.config)["val"] * SEARCH_SECONDS, 100)
