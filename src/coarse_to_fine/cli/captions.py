"""What `ctf generate captions` and `ctf evaluate captions` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.data_generation.tacos_cg.build import Built, build_captions, fit_tf_idf, write_captions
from coarse_to_fine.data_generation.tacos_cg.check import check_captions, read_captions
from coarse_to_fine.data_generation.tacos_cg.endpoint import Endpoint, EndpointConfig
from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even
from coarse_to_fine.data_generation.tacos_cg.progress import Progress
from coarse_to_fine.data_generation.tacos_cg.quality import Embed, Quality, cells_of
from coarse_to_fine.datasets.formats import COARSE_CAPTIONS, load_annotations
from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.datasets.repair import Annotations
from coarse_to_fine.errors import DataError
from coarse_to_fine.wording import counted, first_of

if TYPE_CHECKING:
    from torch import Tensor

    from coarse_to_fine.evaluation.overlap import FloatArray

TEXTS_A_BATCH = 256


def generate_captions(
    annotations: Path,
    split: str | None,
    train: Path,
    out: Path,
    variants: int,
    sentences: int,
    endpoint_file: Path | None,
    cache: Path,
    max_cost: float | None,
    dry_run: bool,
    all_passes: bool,
    as_json: bool,
) -> None:
    """Build and write the captions of one split; exit code 1 where a video has too few."""
    read = read_sentences(annotations, "ANNOTATIONS", split)
    queries = read.queries
    tf_idf = fit_tf_idf(read_training(train))
    endpoint = Endpoint(read_endpoint(endpoint_file, max_cost), cache) if endpoint_file else None
    if dry_run:
        groups = by_video(queries).values()
        passes = [list(group) if all_passes else odd_and_even(group)[0] for group in groups]
        bodies = [
            endpoint.body([query.text for query in group], variants, endpoint.config.max_tokens)
            for group in passes
            if endpoint
        ]
        tokens, cost = endpoint.estimate(bodies) if endpoint else (0, 0.0)
        output.print_json({"requests": len(bodies), "input_tokens": tokens, "highest_cost": cost})
        return
    with output.progress_bar("captions", quiet=as_json) as advance:
        built = build_captions(queries, tf_idf, variants, sentences, endpoint, all_passes, advance)
    write_captions(built, out)
    report(built, read.report.split, endpoint, out, as_json)
    if built.incomplete:
        raise typer.Exit(1)


def read_endpoint(path: Path, max_cost: float | None) -> EndpointConfig:
    """The endpoint's file, with the limit of the command line over the file's."""
    from coarse_to_fine.config import load_config

    overrides = [f"max_cost={max_cost}"] if max_cost is not None else []
    return load_config(EndpointConfig, path, overrides)


def report(built: Built, split: str, endpoint: Endpoint | None, out: Path, as_json: bool) -> None:
    """Counts, quality and what the endpoint cost."""
    summary = {
        "out": str(out),
        "captions": len(built.rows),
        "extracted": sum(row["backend"] == "extractive" for row in built.rows),
        "incomplete_videos": list(built.incomplete),
        "rejected": dict(built.rejected),
        "quality": built.quality.as_json() if built.quality else None,
    }
    if endpoint:
        usage = endpoint.usage
        summary["usage"] = {name: getattr(usage, name) for name in usage.__slots__}
    if as_json:
        output.print_json(summary)
        return
    typer.echo(f"{counted(len(built.rows), 'caption')} in {out}")
    if built.quality:
        print_qualities({split: built.quality})
    for name in ("usage", "rejected"):
        if summary.get(name):
            typer.echo(f"  {name}: {summary[name]}")
    if built.incomplete:
        videos = counted(len(built.incomplete), "video")
        output.warn(f"{videos} with too few captions: {', '.join(built.incomplete[:5])}")


def evaluate_captions(
    annotations: Sequence[Path],
    split: str | None,
    captions: Sequence[Path],
    train: Path,
    variants: int,
    groups: str | None,
    encoder: str | None,
    device: str,
    all_passes: bool,
    as_json: bool,
) -> None:
    """Measure captions of files in each split."""
    read = [read_sentences(path, "ANNOTATIONS", split, captions) for path in annotations]
    names = [one.report.split for one in read]
    splits = {
        name if names.count(name) == 1 else str(path): one.queries for name, path, one in zip(names, annotations, read)
    }
    given = read_captions(captions)
    tf_idf = fit_tf_idf(read_training(train))
    cut: set[str] = set()
    with output.progress_bar("comparing", quiet=as_json) as advance:
        embed = _embed_by(encoder, device, cut, advance) if encoder else None
        qualities = check_captions(given, splits, tf_idf, variants, all_passes, groups, embed, advance)
    known = {query.video_id for queries in splits.values() for query in queries}
    others = [caption.video_id for caption in given if caption.video_id not in known]
    if as_json:
        files = [str(path) for path in captions]
        splits_json = {name: one.as_json() for name, one in qualities.items()}
        output.print_json({"captions": files, "of_other_videos": len(others), "splits": splits_json})
    else:
        print_qualities(qualities)
    if others:
        of = first_of(list(dict.fromkeys(others)))
        output.warn(f"{counted(len(others), 'caption')} of other videos ({of}) count as those of other splits only")
    if cut:
        output.warn(f"{counted(len(cut), 'text')} longer than {encoder} takes; the beginning is compared")


def read_training(path: Path) -> tuple[MomentQuery, ...]:
    """The fine sentences of a training split: of a file, or of a folder in our layout."""
    split = "train" if (path / "queries.train.jsonl").is_file() else None
    return tuple(read_sentences(path, "--train", split).queries)


def read_sentences(path: Path, place: str, split: str | None, captions: Sequence[Path] = ()) -> Annotations:
    """The fine sentences of a file.

    Args:
        path: the file, or a folder.
        place: the argument that it was given as.
        split: which of a folder; None: the only one.
        captions: what was given as captions, to tell files that were given in each other's place.

    Raises:
        DataError: it holds captions of whole videos.
    """
    found = load_annotations(path, split=split)
    if found.report.format not in COARSE_CAPTIONS:
        return found
    sentences = next((one for one in captions if not one.is_dir() and _holds_moments(one)), None)
    if sentences is None:
        raise DataError(
            f"{path} holds captions of whole videos; expected the sentences of moments as {place}; name their file"
        )
    raise DataError(
        f"{path} holds captions of whole videos and {sentences} the sentences of moments; expected sentences as "
        f"{place} and captions as --captions; swap the two"
    )


def _holds_moments(path: Path) -> bool:
    return any(query.windows_s for query in load_annotations(path).queries)


def print_qualities(qualities: Mapping[str, Quality]) -> None:
    """A table with a column a split."""
    from rich.markup import escape
    from rich.table import Table

    cells = [cells_of(one) for one in qualities.values()]
    table = Table("measure")
    for name in qualities:
        table.add_column(escape(name), justify="right")
    for label in cells[0]:
        table.add_row(label, *(column[label] for column in cells))
    output.print_table(table)


def _embed_by(name: str, device: str, cut: set[str], progress: Progress) -> Embed:
    """Unit rows of texts by an encoder; the texts that it cannot read to the end are added to `cut`."""
    import torch

    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.encoders.load import load_encoder

    encoder = load_encoder(name, resolve_device(device))

    def embed(texts: Sequence[str]) -> FloatArray:
        parts = [texts[start : start + TEXTS_A_BATCH] for start in range(0, len(texts), TEXTS_A_BATCH)]
        made: list[tuple[Tensor, bool]] = []
        for part in parts:
            made += [(one.embedding, one.truncated) for one in encoder.encode_text(part)]
            progress(len(made), len(texts), f"texts by {name}")
        cut.update(text for text, (_, truncated) in zip(texts, made) if truncated)
        rows = torch.nn.functional.normalize(torch.stack([row for row, _ in made]).double(), dim=-1)
        return rows.numpy()

    return embed
