"""The step `report`: one page for people, with every table and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.data_generation.tacos_cg.quality import Quality, cells_of
from coarse_to_fine.main_pipeline.fingerprints import files_digest
from coarse_to_fine.main_pipeline.run_config import Captions, PublishedData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.main_pipeline.steps.captions import QUALITY_FILE
from coarse_to_fine.main_pipeline.steps.searching import FUSION_FILE, trained_steps

REPORT_FILE = "report.md"


class WriteReport(Step):
    """Writes `report.md`; the pages with plots and timelines are those of the step `evaluate`."""

    name = "report"

    @property
    def needs(self) -> tuple[str, ...]:
        fusion = () if isinstance(self.config.data, PublishedData) else ("fusion",)
        captions = () if self.config.captions is None else ("captions",)
        return (*captions, *trained_steps(self.config), *fusion, "evaluate")

    def settings(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json", exclude={"workers", "device"})

    def run(self, work: Work) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.folder / REPORT_FILE, "\n".join(self._lines()) + "\n")

    def outputs(self) -> Mapping[str, str]:
        return {"report": files_digest([self.folder / REPORT_FILE], self.folder)}

    def cost(self) -> Cost:
        return Cost(0.1, 10_000)

    def _lines(self) -> Iterator[str]:
        config = self.config
        yield f"# {config.name}"
        yield ""
        yield f"Data: {config.data.kind}. Reported split: {config.tested}." + self._weakness()
        yield from self._stage_lines()
        if self.config.captions is not None:
            yield from _caption_lines(_read(self.root / "captions" / QUALITY_FILE), self.config.captions)
        for kind in config.evaluation.queries:
            values = _read(self.root / "evaluate" / f"report.{kind}.json")
            yield ""
            yield f"## {values['task']}: {kind} queries of {values['truth']}"
            yield ""
            yield (
                f"|Q| = {values['queries']}, |V| = {values['videos']}; {values['predictions']}; rules: "
                f"{values['rules'] or values['convention']}. Plots and timelines: "
                f"[report.{kind}.html](../evaluate/report.{kind}.html)."
            )
            yield ""
            yield from _table(values)
            for warning in values["warnings"]:
                yield f"\n- {warning}"

    def _weakness(self) -> str:
        if self.config.tested == "val":
            return " **It also chose the checkpoints and the fusion weights, so the numbers are too good.**"
        return " It took no part in any choice."

    def _stage_lines(self) -> Iterator[str]:
        for stage, given in self.config.stages.items():
            yield ""
            if given.trained:
                reached = _read(self.root / stage / "model" / "training.json")
                metrics = ", ".join(f"{name} {value:.2f}" for name, value in reached["best_metrics"].items())
                best = f"best of {reached['steps']} steps is {reached['best_step']} ({metrics})"
                yield f"Stage {stage}: {given.config}; {best}."
            else:
                yield f"Stage {stage}: {given.model}, not trained here."
        fusion = self.root / "fusion" / FUSION_FILE
        if "fusion" in self.needs:
            values = _read(fusion)
            yield ""
            weights = f"alpha {values['alpha']:g}, temperature {values['temperature']:g}"
            yield f"Fusion, chosen on the validation split: {weights}."


def _caption_lines(values: Mapping[str, Any], captions: Captions) -> Iterator[str]:
    """How good the captions are, a column a split."""
    yield ""
    yield f"## Captions {'made from fine sentences' if captions.file is None else f'of {captions.file}'}"
    yield ""
    if not values:
        yield "Not measured: they were made from all fine sentences, of which none was held out."
        return
    cells = [
        {"measured against": one["against"], **cells_of(Quality.from_json(one["quality"]))} for one in values.values()
    ]
    yield f"| measure | {' | '.join(values)} |"
    yield "|---|" + "---:|" * len(values)
    for label in cells[0]:
        yield f"| {label} | {' | '.join(column[label] for column in cells)} |"


def _table(values: Mapping[str, Any]) -> Iterator[str]:
    yield "| metric | value | 95 % over videos | chance | N |"
    yield "|---|---:|---:|---:|---:|"
    for section, names in values["sections"].items():
        yield f"| **{section}** | | | | |"
        for name in names:
            detail = values["details"][name]
            interval = detail.get("interval_95")
            shown = "" if interval is None else f"{interval[0]} – {interval[1]}"
            value = "–" if detail["value"] is None else detail["value"]
            yield f"| {name} | {value} | {shown} | {detail.get('chance', '')} | {detail['queries']} |"


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
