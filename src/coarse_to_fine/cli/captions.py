"""What `ctf generate captions` does."""

from __future__ import annotations

from pathlib import Path

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.data_generation.tacos_cg.build import Built, build_captions, fit_tf_idf, write_captions
from coarse_to_fine.data_generation.tacos_cg.endpoint import Endpoint, EndpointConfig
from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.wording import counted


def generate_captions(
    annotations: Path,
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
    queries = load_annotations(annotations).queries
    tf_idf = fit_tf_idf(load_annotations(train).queries)
    endpoint = Endpoint(read_endpoint(endpoint_file, max_cost), cache) if endpoint_file else None
    if dry_run:
        groups = by_video(queries).values()
        read = [list(group) if all_passes else odd_and_even(group)[0] for group in groups]
        bodies = [
            endpoint.body([query.text for query in group], variants, endpoint.config.max_tokens)
            for group in read
            if endpoint
        ]
        tokens, cost = endpoint.estimate(bodies) if endpoint else (0, 0.0)
        output.print_json({"requests": len(bodies), "input_tokens": tokens, "highest_cost": cost})
        return
    with output.progress_bar("captions", quiet=as_json) as advance:
        built = build_captions(queries, tf_idf, variants, sentences, endpoint, all_passes, advance)
    write_captions(built, out)
    report(built, endpoint, out, as_json)
    if built.incomplete:
        raise typer.Exit(1)


def read_endpoint(path: Path, max_cost: float | None) -> EndpointConfig:
    """The endpoint's file, with the limit of the command line over the file's."""
    from coarse_to_fine.config import load_config

    overrides = [f"max_cost={max_cost}"] if max_cost is not None else []
    return load_config(EndpointConfig, path, overrides)


def report(built: Built, endpoint: Endpoint | None, out: Path, as_json: bool) -> None:
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
    for name, value in (built.quality.as_json() if built.quality else {}).items():
        typer.echo(f"  {name:>15} {value:.3f}")
    for name in ("usage", "rejected"):
        if summary.get(name):
            typer.echo(f"  {name}: {summary[name]}")
    if built.incomplete:
        videos = counted(len(built.incomplete), "video")
        output.warn(f"{videos} with too few captions: {', '.join(built.incomplete[:5])}")
