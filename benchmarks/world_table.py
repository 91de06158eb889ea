"""How good are the stages alone and together on videos of the drawn world? Tables over systems and training seeds.

Every number is measured on real H.264 files that were indexed. A system is a name or a list of folders, one a training
seed; its row is named after its model, or after what is written before `=`:

    python benchmarks/world_table.py --world world-test --library test.ctf \\
        --coarse mean-pool runs/t-mass-0/model,runs/t-mass-1/model runs/v2-0/model,runs/v2-1/model \\
        --fine similarity runs/qd-0/model,runs/qd-1/model "mesm without words=runs/nw-0/model,runs/nw-1/model" \\
        --val-world world-val --val-library val.ctf --train feats/train/annotations/queries.train.jsonl --out table.md

Prints stage one, stage two on the true video, both together, and the last two by the length of the moment; the last
line is the same as JSON. `--stages fine` leaves the searches out, `--queries coarse` asks with captions of videos.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from world_systems import Parts, System, paired_runs, read_systems

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.pipeline_report import PipelineReportConfig, pipeline_report
from coarse_to_fine.evaluation.predictions import QueryPrediction, query_prediction
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.seeds import markdown_table, spread_over_runs
from coarse_to_fine.evaluation.truth import Truth, read_truth
from coarse_to_fine.experiment import LONGEST_LIST, choose_fusion, read_queries
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.main_pipeline import Pipeline

COARSE_METRICS = ("VR R@1", "VR R@5", "VR R@10")
FINE_METRICS = (
    ("R1@0.5", "R1@0.7", "R5@0.5", "R5@0.7", "mIoU", "mAP", "mAP@0.5", "mAP@0.75", "HL-window-mAP", "HL-window-Hit1"),
    ("HL-min-Good-mAP", "HL-min-VeryGood-mAP", "HL-min-VeryGood-Hit1"),
)
JOINED_METRICS = ("VCMR-R1@0.5", "VCMR-R1@0.7", "VCMR-R10@0.5", "VCMR-R10@0.7")
STAGES = ("coarse", "fine", "joined")
STAGE_ONE, STAGE_TWO, BOTH = TITLES = ("Stage one", "Stage two, the true video given", "Both stages")
QUERIES_A_BATCH = 64

Tables = dict[str, dict[str, list[Report]]]
"""Reports of the runs of each system, by the heading of their table."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True, help="folder with annotations of the split")
    parser.add_argument("--library", type=Path, required=True, help="library with exactly the videos of the split")
    parser.add_argument("--split", default="test")
    parser.add_argument("--queries", choices=("fine", "coarse"), default="fine")
    parser.add_argument("--coarse", nargs="+", default=["mean-pool", "t-mass"], help="systems of stage one")
    parser.add_argument("--fine", nargs="+", default=["similarity", "qd-detr", "mesm"], help="systems of stage two")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="what is measured")
    parser.add_argument("--fusion", type=Path, help="folder with fusion-<coarse>-<fine>.json; default: bundled ones")
    parser.add_argument("--val-world", type=Path, help="annotations of a validation split: choose the fusion on it")
    parser.add_argument("--val-library", type=Path, help="library of the validation split")
    parser.add_argument("--val-split", default="val")
    parser.add_argument("--train", type=Path, help="queries.train.jsonl, which the chance lines draw from")
    parser.add_argument("--lengths", type=float, nargs="+", default=[6.0, 10.0], help="borders of the lengths, seconds")
    parser.add_argument("--top-videos", type=int, default=10, help="videos that stage two looks into")
    parser.add_argument("--seed", type=int, default=0, help="of the noise of stage one, run number added")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap over videos")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--out", type=Path, help="write the Markdown here too")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    torch.set_num_threads(options.threads)
    coarse, fine = read_systems(options.coarse, "coarse"), read_systems(options.fine, "fine")
    table = Table(options, searched_truth(options))
    if "coarse" in options.stages:
        table.measure_coarse(coarse)
    if options.queries == "fine":
        table.measure_fine(coarse, fine)
    text = table.markdown()
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(json.dumps(table.as_json()))


def searched_truth(options: argparse.Namespace) -> Truth:
    """The queries; their gallery is the library.

    Raises:
        DataError: a true video is not in the library.
    """
    truth = read_queries(options.world, options.split, options.queries)
    stored = {video.video_id for video in Parts(options.library, None).library.videos()}
    missing = sorted({str(query.video_id) for query in truth.queries} - stored)
    if missing:
        raise DataError(f"{len(missing)} true videos are not in the library ({missing[0]}, ...); index the whole split")
    return replace(truth, gallery=tuple(sorted(stored)), closed=True)


class Table:
    """What was measured so far."""

    def __init__(self, options: argparse.Namespace, truth: Truth) -> None:
        self.options, self.truth = options, truth
        self.train = read_truth(options.train, "train") if options.train else None
        self.parts = Parts(options.library, options.fusion)
        chosen_on = options.val_library if options.val_world else None
        self.validation = Parts(chosen_on, None) if chosen_on else None
        self.tables: Tables = {}
        self.fusions: dict[str, FusionConfig] = {}

    def measure_coarse(self, systems: Sequence[System]) -> None:
        for system in systems:
            for run, folder in enumerate(system.runs):
                started = time.perf_counter()
                pipeline = self.parts.pipeline(folder, "similarity")
                answers = ranked(pipeline, self.truth, self.options.seed + run)
                self._add(STAGE_ONE, system.label, answers, self.truth)
                tell(f"{system.label}, {folder}", started)

    def measure_fine(self, coarse: Sequence[System], fine: Sequence[System]) -> None:
        """Every fine model on the true video and behind every coarse one; each run's moments are located once."""
        joined = "joined" in self.options.stages
        pairs = {(one.label, other.label): paired_runs(one, other) for one in coarse for other in fine}
        for system in fine:
            for number, folder in enumerate(system.runs):
                if "fine" in self.options.stages:
                    started = time.perf_counter()
                    answers = located(self.parts.pipeline("mean-pool", folder), self.truth)
                    self._add_with_lengths(STAGE_TWO, system.label, answers)
                    tell(f"{system.label}, {folder}", started)
                for stage_one in coarse if joined else ():
                    own = pairs[stage_one.label, system.label]
                    for run in range(number, len(own), len(system.runs)):
                        self._search(stage_one, system, own[run], run)
                self.parts.forget(folder)

    def _search(self, coarse: System, fine: System, folders: tuple[str, str], run: int) -> None:
        started = time.perf_counter()
        name = f"{coarse.label} x {fine.label}"
        fusion = self._fusion(coarse, fine)
        pipeline = self.parts.pipeline(*folders, fusion)
        answers = found(pipeline, self.truth, self.options.top_videos, self.options.seed + run)
        self._add_with_lengths(BOTH, name, answers)
        tell(f"{name}, {folders[0]}, {folders[1]}", started)

    def _fusion(self, coarse: System, fine: System) -> FusionConfig:
        """Chosen on validation with the first run of each system where a validation split is given."""
        name = f"{coarse.label} x {fine.label}"
        if name not in self.fusions:
            chosen, source = self.parts.fusion(coarse, fine)
            if self.validation is not None:
                queries = read_queries(self.options.val_world, self.options.val_split)
                pipeline = self.validation.pipeline(coarse.runs[0], fine.runs[0])
                chosen, recall = choose_fusion(pipeline, queries, top_videos=self.options.top_videos)
                source = f"chosen on {self.options.val_split}, VCMR-R1@0.5 {recall:.1f} there"
            self.fusions[name] = chosen
            print(f"fusion of {name}: {chosen.alpha}, {chosen.temperature}, {source}", file=sys.stderr, flush=True)
        return self.fusions[name]

    def _add_with_lengths(self, title: str, system: str, answers: list[QueryPrediction]) -> None:
        self._add(title, system, answers, self.truth)
        lengths = np.array([np.diff(query.windows, axis=1).mean() for query in self.truth.queries])
        for name, low, high in length_groups(self.options.lengths):
            inside = (lengths > low) & (lengths <= high)
            if inside.any():
                part = self.truth.with_queries(np.array(self.truth.queries, dtype=object)[inside])
                own = [answer for answer, kept in zip(answers, inside, strict=True) if kept]
                self._add(f"{title}: {name}", system, own, part)

    def _add(self, title: str, system: str, answers: list[QueryPrediction], truth: Truth) -> None:
        options = self.options
        config = PipelineReportConfig(candidates=options.top_videos, resamples=options.resamples, examples=0)
        report = pipeline_report(truth, answers, self.train, config, system)
        self.tables.setdefault(title, {}).setdefault(system, []).append(report)

    def markdown(self) -> str:
        parts = []
        for title in sorted(self.tables, key=lambda title: TITLES.index(title.split(":")[0])):
            systems = self.tables[title]
            parts.append(f"## {title}\n\n{markdown_table(systems, metrics_of(title, systems))}")
        if self.fusions:
            chosen = ", ".join(f"{name} {each.alpha:g} / {each.temperature:g}" for name, each in self.fusions.items())
            parts.append(f"Weight of stage one / temperature: {chosen}\n")
        return "\n".join(parts)

    def as_json(self) -> dict[str, object]:
        numbers = {
            title: {
                system: {name: each.to_json() for name, each in spread_over_runs(runs).items()}
                for system, runs in systems.items()
            }
            for title, systems in self.tables.items()
        }
        fusions = {name: each.model_dump() for name, each in self.fusions.items()}
        about = {"split": self.options.split, "queries": self.options.queries, "fusion": fusions}
        return {**about, "tables": numbers}


def ranked(pipeline: Pipeline, truth: Truth, seed: int) -> list[QueryPrediction]:
    """Stage one alone."""
    answers = []
    for part in batches(truth):
        videos = pipeline.rank_videos_many([query.text for query in part], len(truth.gallery), seed)
        for query, hits in zip(part, videos, strict=True):
            answers.append(query_prediction(query.query_id, [(hit.video_id, hit.score) for hit in hits]))
    return answers


def located(pipeline: Pipeline, truth: Truth) -> list[QueryPrediction]:
    """Stage two alone, the true video given."""
    answers = []
    for part in batches(truth):
        given = pipeline.moments_many([(query.text, str(query.video_id)) for query in part])
        for query, own in zip(part, given, strict=True):
            spans = [(hit.start_s, hit.end_s, hit.score) for hit in own.hits]
            answers.append(query_prediction(query.query_id, given_video=spans, saliency=own.saliency.tolist()))
    return answers


def found(pipeline: Pipeline, truth: Truth, top_videos: int, seed: int) -> list[QueryPrediction]:
    """Both stages: moments of the whole library."""
    answers = []
    for part in batches(truth):
        texts = [query.text for query in part]
        lists = pipeline.search_many(texts, top_videos=top_videos, top_moments=LONGEST_LIST, seed=seed)
        for query, hits in zip(part, lists, strict=True):
            rows = [(hit.video_id, hit.start_s, hit.end_s, hit.score) for hit in hits]
            answers.append(query_prediction(query.query_id, moments=rows))
    return answers


def batches(truth: Truth) -> list[Sequence]:
    return [truth.queries[at : at + QUERIES_A_BATCH] for at in range(0, len(truth.queries), QUERIES_A_BATCH)]


def length_groups(borders: Sequence[float]) -> list[tuple[str, float, float]]:
    """Names and limits, left-open and right-closed: short, middle and long where there are two borders."""
    limits = [0.0, *sorted(borders), np.inf]
    words = ("short", "middle", "long") if len(borders) == 2 else ("",) * (len(borders) + 1)
    return [
        (f"{word} moments, {span(low, high)}".removeprefix(" "), low, high)
        for word, low, high in zip(words, limits, limits[1:])
    ]


def span(low: float, high: float) -> str:
    if np.isinf(high):
        return f"above {low:g} s"
    return f"up to {high:g} s" if low == 0 else f"{low:g} to {high:g} s"


def metrics_of(title: str, systems: dict[str, list[Report]]) -> list[str]:
    if title == STAGE_ONE:
        return list(COARSE_METRICS)
    if title.startswith(BOTH):
        return list(JOINED_METRICS)
    there = {metric.name for reports in systems.values() for metric in reports[0].metrics}
    return [name for names in FINE_METRICS for name in names if name in there]


def tell(what: str, started: float) -> None:
    print(f"{what}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
