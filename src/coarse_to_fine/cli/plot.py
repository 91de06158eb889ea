"""`ctf plot`: the saliency curve of a video as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.cli.out_paths import file_to_write
from coarse_to_fine.cli.question import Question, with_question
from coarse_to_fine.errors import UserError

if TYPE_CHECKING:
    from coarse_to_fine.main_pipeline import Pipeline, Query
    from coarse_to_fine.types import MomentHit, VideoMoments


@with_question
def plot(
    question: Question,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The picture; its ending chooses the format.", callback=file_to_write
        ),
    ] = Path("moments.png"),
    video: Annotated[
        str | None, typer.Option(metavar="ID", help="This video, by id or path, instead of the one that is found.")
    ] = None,
    hit: Annotated[int, typer.Option(min=1, help="The video of which hit; 1 is the best.")] = 1,
    width: Annotated[int, typer.Option(min=400, max=16_000, metavar="PIXELS", help="Width of the picture.")] = 1600,
    as_json: JsonOption = False,
) -> None:
    """Draw frames, saliency curve and moments of a video along its time.

    The curve is a rank score of any sign, comparable within one video and sentence only; --json prints its values, one
    a clip, beside the picture.

    Examples:

      ctf plot "a purple tree falls" --library demo/library.ctf --out tree.png

      ctf plot "the boat leaves" --video beach-01 --library videos.ctf --json
    """
    asked, pipeline = question.ready()
    if len(asked) != 1:
        raise UserError(f"there are {len(asked)} sentences; expected one for a plot; give one")
    video_id = find_video(pipeline, video) if video is not None else found_video(pipeline, question, asked[0], hit)
    found = pipeline.moments(asked[0], video_id)
    draw(asked[0], pipeline.library.video(video_id).path, found, out, width=width)
    if as_json:
        output.print_json(moments_as_json(pipeline, asked[0], video_id, found, out))
    else:
        typer.echo(str(out))


def draw(
    query: Query, path: str, found: VideoMoments, out: Path, *, shown: MomentHit | None = None, width: int | None = None
) -> None:
    """The picture of the video at `path`."""
    from coarse_to_fine.hits.plot import WIDTH, plot_moments, save_plot

    made = plot_moments(found, path, title=query.moment or query.title, shown=shown, width=width or WIDTH)
    save_plot(made, out)


def found_video(pipeline: Pipeline, question: Question, query: Query, place: int) -> str:
    """The video of a hit.

    Raises:
        UserError: there are fewer hits.
    """
    hits = replace(question, count=max(question.count, place)).search(pipeline, [query])[0]
    if len(hits) < place:
        raise UserError(f"hit {place} is asked for, {len(hits)} found; expected a smaller number or another sentence")
    return hits[place - 1].video_id


def find_video(pipeline: Pipeline, name: str) -> str:
    """The id of a video that is named by id or path.

    Raises:
        UserError: there is none.
    """
    wanted = Path(name).absolute()
    for video in pipeline.library.videos():
        if name == video.video_id or wanted == Path(video.path):
            return video.video_id
    return pipeline.library.video(name).video_id


def moments_as_json(pipeline: Pipeline, query: Query, video_id: str, found: VideoMoments, out: Path) -> dict[str, Any]:
    """The curve and the moments of one video."""
    return {
        "query": query.title,
        "moment": query.moment,
        "video_id": video_id,
        "path": pipeline.library.video(video_id).path,
        "plot": str(out),
        "clip_seconds": found.clip_seconds,
        "saliency": [round(value, output.SALIENCY_DIGITS) for value in found.saliency.tolist()],
        "hits": [output.hit_as_json(hit) for hit in found.hits],
    }
