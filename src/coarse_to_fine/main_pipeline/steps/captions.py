"""The step `captions`: coarse captions of whole videos beside the fine sentences, read from a file or made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coarse_to_fine.atomic_files import write_json_lines, write_text_atomically
from coarse_to_fine.datasets.layout import read_annotations
from coarse_to_fine.datasets.layout_rows import caption_files
from coarse_to_fine.errors import DataError
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.main_pipeline.fingerprints import files_digest
from coarse_to_fine.main_pipeline.run_config import Captions, RunFile, VideoData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.wording import counted, first_of

if TYPE_CHECKING:
    from coarse_to_fine.data_generation.tacos_cg.quality import Quality

QUALITY_FILE = "quality.json"
EVEN_PASSES = "even annotation passes"
ALL_SENTENCES = "all sentences"
SECONDS_A_VIDEO = 0.02
BYTES_A_VIDEO = 2000


class CoarseCaptions(Step):
    """Copies the annotations of each split, writes `coarse.<split>.jsonl` beside them, and measures those captions."""

    name = "captions"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("data",)

    def settings(self) -> Mapping[str, Any]:
        return _captions(self.config).model_dump(mode="json")

    def inputs(self) -> Mapping[str, str]:
        captions = _captions(self.config)
        files = [] if captions.file is None else [self._path(captions.file)]
        files = [file for path in files for file in caption_files(path)]
        files += [] if captions.endpoint is None else [self._path(captions.endpoint)]
        for file in files:
            if not file.is_file():
                raise DataError(
                    f"no file {file}; expected what the section captions names; put it there, or leave the key out: "
                    "captions are then made from fine sentences"
                )
        return {file.name: sha256_of(file) for file in files}

    def run(self, work: Work) -> None:
        for split in self.config.splits:
            source, target = self.root / "data" / split, self.folder / split
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(source.iterdir()):
                shutil.copyfile(path, target / path.name)
        measured = self._make(work) if _captions(self.config).file is None else self._read(work)
        values = {split: {"against": by, "quality": quality.as_json()} for split, (by, quality) in measured.items()}
        write_text_atomically(self.folder / QUALITY_FILE, json.dumps(values, indent=2) + "\n")

    def outputs(self) -> Mapping[str, str]:
        splits = {
            split: files_digest(
                [self.folder / split / f"coarse.{split}.jsonl", *(self.folder / split).glob("*.jsonl")], self.folder
            )
            for split in self.config.splits
        }
        return {**splits, "quality": files_digest([self.folder / QUALITY_FILE], self.folder)}

    def cost(self) -> Cost:
        videos = sum(_videos(self.root / "data" / split) for split in self.config.splits)
        return Cost(videos * SECONDS_A_VIDEO, videos * BYTES_A_VIDEO)

    def _path(self, name: str) -> Path:
        data = self.config.data
        return data.path(name) if isinstance(data, VideoData) else Path(name)

    def _read(self, work: Work) -> dict[str, tuple[str, Quality]]:
        """The captions of a file, each with the split of its video, and how good they are."""
        from coarse_to_fine.data_generation.tacos_cg.build import fit_tf_idf
        from coarse_to_fine.data_generation.tacos_cg.check import check_captions, has_held_out, read_captions

        settings = _captions(self.config)
        file = self._path(str(settings.file))
        found = read_captions([file])
        queries = {split: read_annotations(self.folder / split, split).queries for split in self.config.splits}
        tf_idf = fit_tf_idf(queries["train"])
        measured: dict[str, tuple[str, Quality]] = {}
        for split in self.config.splits:
            wanted = {query.video_id for query in queries[split]}
            own = [query for query in found if query.video_id in wanted]
            without = wanted - {query.video_id for query in own}
            if not own:
                raise DataError(
                    f"{file} has no caption of a video of {split}; expected captions of the same set; name its file"
                )
            if without:
                work.note(f"{split}: {file.name} lacks captions of {len(without)} of {counted(len(wanted), 'video')}")
            rows = [
                {"caption_id": query.query_id, "video_id": query.video_id, "text": query.text} | dict(query.extras)
                for query in own
            ]
            write_json_lines(self.folder / split / f"coarse.{split}.jsonl", rows)
            all_passes = settings.all_passes or not has_held_out(own, queries[split])
            (quality,) = check_captions(
                found, {split: queries[split]}, tf_idf, settings.variants, all_passes, progress=work.progress
            ).values()
            measured[split] = ALL_SENTENCES if all_passes else EVEN_PASSES, quality
        return measured

    def _make(self, work: Work) -> dict[str, tuple[str, Quality]]:
        from coarse_to_fine.data_generation.tacos_cg.build import build_captions, fit_tf_idf, write_captions

        settings = _captions(self.config)
        queries = {split: read_annotations(self.folder / split, split).queries for split in self.config.splits}
        tf_idf = fit_tf_idf(queries["train"])
        measured: dict[str, tuple[str, Quality]] = {}
        for split in self.config.splits:
            built = build_captions(
                queries[split],
                tf_idf,
                settings.variants,
                settings.sentences,
                self._endpoint(),
                settings.all_passes,
                work.progress,
            )
            if built.incomplete:
                videos = counted(len(built.incomplete), "video has", "videos have")
                work.note(f"{split}: {videos} fewer captions than asked for: {first_of(built.incomplete)}")
            write_captions(built, self.folder / split / f"coarse.{split}.jsonl")
            if built.quality is not None:
                measured[split] = EVEN_PASSES, built.quality
        return measured

    def _endpoint(self) -> Any:
        """Replies are kept beside the run's other files, also when the step is made again: they cost money."""
        name = _captions(self.config).endpoint
        if name is None:
            return None
        from coarse_to_fine.config import load_config
        from coarse_to_fine.data_generation.tacos_cg.endpoint import Endpoint, EndpointConfig

        return Endpoint(load_config(EndpointConfig, self._path(name)), self.root / "caption-replies")


def _captions(config: RunFile) -> Captions:
    assert config.captions is not None, "the step is planned only where captions are asked for"
    return config.captions


def _videos(folder: Path) -> int:
    path = folder / "videos.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0
