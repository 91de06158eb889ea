"""`ctf evaluate`: metrics of prediction files, of both stages, of coarse captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import (
    COARSE,
    FINE,
    CoarseOption,
    DeviceOption,
    FineOption,
    FusionOption,
    JsonOption,
    LayoutArgument,
    LibraryOption,
    SeedOption,
    find_library,
    require_missing_rule,
    stored_fusion,
)
from coarse_to_fine.cli.out_paths import file_to_write
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from coarse_to_fine.evaluation.predictions import QueryPrediction
    from coarse_to_fine.evaluation.report import Report

TaskOption = Annotated[str, typer.Option(help="moments, highlights, videos or corpus.")]
TruthOption = Annotated[Path, typer.Option(metavar="FILE", help="Any supported annotation file.")]
ConventionOption = Annotated[str, typer.Option(help="default, or an official tool: qvhighlights, sorted, tvr, t-mass.")]
FeaturesArgument = Annotated[Path, typer.Argument(help="Training set with annotations/, videos/ and texts/.")]
SplitOption = Annotated[str | None, typer.Option(help="Which split; default: the only one.")]
AnswersOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Keep the answers too, as JSON lines.", callback=file_to_write)
]
HtmlOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the report as one HTML page too.", callback=file_to_write)
]
ResamplesOption = Annotated[int, typer.Option(min=0, help="Bootstrap resamples over videos; 0: no intervals.")]
ThresholdOption = Annotated[
    list[float] | None,
    typer.Option("--threshold", metavar="IOU", min=0, max=1, help="IoU of recalls; repeatable; default 0.3, 0.5, 0.7."),
]
GalleryOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSON lines with the searched videos; default: the true ones.")
]
LengthsOption = Annotated[
    str, typer.Option(help="Ranges of window length: qvhighlights, or tacos with 150 to 600 s added.")
]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Metrics: of prediction files, of both stages, of coarse captions."""


@app.command("predictions")
def predictions(
    predictions: Annotated[Path, typer.Option(metavar="FILE", help="Answers, JSON lines in a submission layout.")],
    truth: TruthOption,
    task: TaskOption = "moments",
    convention: ConventionOption = "default",
    threshold: ThresholdOption = None,
    lengths: LengthsOption = "qvhighlights",
    missing: Annotated[
        str, typer.Option(help="Queries without an answer: refuse, miss (counts as 0) or drop.")
    ] = "refuse",
    gallery: GalleryOption = None,
    train: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Annotations the model learned from; refused if videos are shared."),
    ] = None,
    html: HtmlOption = None,
    resamples: ResamplesOption = 1000,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a file of predictions against annotations; no model is loaded.

    Examples:

      ctf evaluate predictions --task moments --predictions pred.jsonl --truth highlight_val_release.jsonl

      ctf evaluate predictions --task corpus --predictions pred.jsonl --truth queries.test.jsonl --json
    """
    from coarse_to_fine.evaluation.evaluate import evaluate_predictions
    from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS

    report = evaluate_predictions(
        task,
        predictions,
        truth,
        convention,
        thresholds=threshold or RECALL_THRESHOLDS,
        lengths=lengths,  # type: ignore[arg-type]
        missing=missing,  # type: ignore[arg-type]
        resamples=resamples,
        gallery=gallery,
        train=train,
    )
    output.print_report(report, as_json, html)


@app.command("compare")
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Answers before, JSON lines in a submission layout.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Answers after, to the same queries.")],
    truth: TruthOption,
    task: TaskOption = "moments",
    convention: ConventionOption = "default",
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="By which a query is won or lost; default: by task, R1@0.5 first."),
    ] = None,
    threshold: ThresholdOption = None,
    lengths: LengthsOption = "qvhighlights",
    missing: Annotated[
        str, typer.Option(help="Queries without an answer: refuse, miss (counts as 0) or drop (both answer).")
    ] = "refuse",
    resamples: Annotated[int, typer.Option(min=1, help="Paired bootstrap resamples over videos.")] = 1000,
    gallery: GalleryOption = None,
    shown: Annotated[int, typer.Option(min=0, help="Queries won and lost that the table lists.")] = 10,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the report of B with the comparison as one HTML page.", callback=file_to_write
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two prediction files on one truth: what changed, and which queries were won and lost.

    Examples:

      ctf evaluate compare before.jsonl after.jsonl --truth highlight_val_release.jsonl

      ctf evaluate compare a.jsonl b.jsonl --truth queries.test.jsonl --task corpus --metric VCMR-R1@0.7 --json
    """
    from coarse_to_fine.evaluation.compare import compare_predictions
    from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS

    measured_by = {
        "thresholds": threshold or RECALL_THRESHOLDS,
        "lengths": lengths,
        "missing": missing,
        "resamples": resamples,
        "gallery": gallery,
    }
    found = compare_predictions(task, truth, a, b, convention, deciding=metric, **measured_by)  # type: ignore[arg-type]
    if html is not None:
        from coarse_to_fine.evaluation.evaluate import evaluate_predictions
        from coarse_to_fine.evaluation.html_report import write_html

        report = evaluate_predictions(task, b, truth, convention, **measured_by)  # type: ignore[arg-type]
        write_html(html, report, found)
    if as_json:
        output.print_json(found.to_json())
        return
    from rich.console import Console

    Console(highlight=False).print(found.to_table(shown))
    for line in found.warnings:
        output.warn(line)


@app.command("fine")
def fine(
    features: FeaturesArgument,
    model: Annotated[str, FINE],
    split: SplitOption = None,
    nms: Annotated[
        float, typer.Option(min=0, max=1, help="Drop moments that overlap a better one by more IoU; 1: none.")
    ] = 1.0,
    official: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Round and clamp windows as the releases do for qvhighlights, charades, tacos, activitynet, "
            "mesm-charades-vgg or mesm-tacos.",
        ),
    ] = None,
    threshold: ThresholdOption = None,
    lengths: LengthsOption = "qvhighlights",
    predictions: AnswersOption = None,
    html: HtmlOption = None,
    resamples: ResamplesOption = 1000,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a fine model on the extracted or imported features of a split, the video given.

    Of a split without windows (QVHighlights, test) it writes the answers alone, as its server takes them.

    Examples:

      ctf evaluate fine feats/val --fine runs/qd-detr/model

      ctf evaluate fine feats/test --fine runs/mesm/model --predictions test.jsonl --html test.html
    """
    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.evaluation.evaluate import check_names, check_thresholds
    from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS
    from coarse_to_fine.evaluation.predictions import write_predictions
    from coarse_to_fine.fine_grained import load_fine
    from coarse_to_fine.stage_evaluation import answer_fine, measure_fine

    levels = threshold or RECALL_THRESHOLDS
    check_names("moments", "default", lengths=lengths)
    check_thresholds(levels)
    loaded = load_fine(model, device=str(resolve_device(device)))
    found = answer_fine(loaded, features, split, nms=nms, official=official)  # type: ignore[arg-type]
    if predictions is not None:
        write_predictions(predictions, found.answers)
        if not found.can_be_measured:
            sentences = counted(len(found.answers), "sentence")
            output.warn(f"{predictions} answers {sentences} without windows; nothing is known to measure them by")
            return
    report = measure_fine(found, thresholds=levels, lengths=lengths, resamples=resamples, title=model)  # type: ignore[arg-type]
    output.print_report(report, as_json, html)


@app.command("coarse")
def coarse(
    features: FeaturesArgument,
    model: Annotated[str, COARSE],
    split: SplitOption = None,
    queries: Annotated[str, typer.Option(help="fine (moments) or coarse (captions of whole videos).")] = "fine",
    gallery: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON lines with the ranked videos; default: those the sentences name."),
    ] = None,
    seed: SeedOption = 0,
    dual_softmax: Annotated[
        bool,
        typer.Option(
            "--dual-softmax", help="Weigh scores over the split's sentences: needs all at once, no search can."
        ),
    ] = False,
    predictions: AnswersOption = None,
    listed: Annotated[int, typer.Option(min=1, help="Best videos a sentence in --predictions; ranks count all.")] = 100,
    html: HtmlOption = None,
    resamples: ResamplesOption = 1000,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a coarse model on the extracted features of a split: each sentence ranks the split's videos.

    The videos are read in blocks: a large gallery never lies in memory at once.

    Examples:

      ctf evaluate coarse feats/test --coarse mean-pool

      ctf evaluate coarse feats/test --coarse runs/t-mass/model --queries coarse --seed 1 --json
    """
    from coarse_to_fine.coarse_grained import load_coarse
    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.stage_evaluation import evaluate_coarse

    loaded = load_coarse(model, device=str(resolve_device(device)))
    answers, report = evaluate_coarse(
        loaded,
        features,
        split,
        queries=queries,
        gallery=gallery,
        seed=seed,
        dual_softmax=dual_softmax,
        listed=listed,
        resamples=resamples,
        title=model,
    )
    write_and_print(answers, report, predictions, html, as_json)


@app.command("pipeline")
def pipeline(
    annotations: LayoutArgument,
    library: LibraryOption = None,
    split: Annotated[str, typer.Option(help="Which queries.")] = "test",
    queries: Annotated[
        str,
        typer.Option(
            help="fine (moments), coarse (captions of whole videos), coarse+fine (a caption ranks the videos, a "
            "sentence finds the moment) or joined (both as one text rank the videos)."
        ),
    ] = "fine",
    coarse: CoarseOption = None,
    fine: FineOption = None,
    fusion: FusionOption = None,
    top_videos: Annotated[int, typer.Option(min=1, help="Videos that the fine stage looks into.")] = 10,
    threshold: ThresholdOption = None,
    missing_video: Annotated[
        str, typer.Option(metavar="RULE", help="True videos outside the library: refuse, or drop with their queries.")
    ] = "refuse",
    seed: SeedOption = 0,
    predictions: AnswersOption = None,
    html: HtmlOption = None,
    resamples: ResamplesOption = 1000,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Search a library with all queries of a split and measure both stages, alone and together.

    Examples:

      ctf evaluate pipeline world --library world.ctf --split test

      ctf evaluate pipeline world --library world.ctf --queries coarse --coarse mean-pool --html report.html
    """
    from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS
    from coarse_to_fine.experiment import evaluate_pipeline, read_asked
    from coarse_to_fine.main_pipeline import Pipeline

    require_missing_rule(missing_video)
    asked = read_asked(annotations, split, queries)
    loaded = Pipeline.load(find_library(library), coarse, fine, device, stored_fusion(fusion))
    with output.progress_bar("searching", quiet=as_json) as advance:
        answers, report = evaluate_pipeline(
            loaded,
            asked,
            top_videos=top_videos,
            seed=seed,
            resamples=resamples,
            thresholds=threshold or RECALL_THRESHOLDS,
            missing=missing_video,  # type: ignore[arg-type]
            progress=advance,
        )
    write_and_print(answers, report, predictions, html, as_json)


@app.command("captions")
def captions(
    annotations: Annotated[
        list[Path],
        typer.Argument(help="Fine sentences, a file a split: any supported format, or a folder in our layout."),
    ],
    captions: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="The captions, of one split or of all: TACoS-CG JSON, JSON lines, a folder of ours; repeatable.",
        ),
    ],
    train: Annotated[Path, typer.Option(metavar="FILE", help="Training split, which the word weights come from.")],
    split: Annotated[
        str | None, typer.Option(help="Which split of a folder; default: the only one, or what the file says.")
    ] = None,
    variants: Annotated[int, typer.Option(min=1, help="Captions that a video should have.")] = 5,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX", help="Part of a video id that names its group, such as d[0-9]+$, the dish of TACoS."
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(metavar="NAME", help="Align by this text encoder too: a name or a folder.")
    ] = None,
    all_passes: Annotated[
        bool, typer.Option("--all-passes", help="Measure against every annotation pass, not the even ones alone.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure coarse captions, whoever made them, against the fine sentences of their videos.

    Examples:

      ctf evaluate captions tacos/test.json --captions coarse.test.jsonl --train tacos/train.json --json

      ctf evaluate captions tacos/val.json tacos/test.json --captions tacos_cg.json --train tacos/train.json

      ctf evaluate captions world --split test --captions world --train world --all-passes
    """
    from coarse_to_fine.cli.captions import evaluate_captions

    evaluate_captions(annotations, split, captions, train, variants, groups, encoder, device, all_passes, as_json)


def write_and_print(
    answers: list[QueryPrediction], report: Report, predictions: Path | None, html: Path | None, as_json: bool
) -> None:
    """The answers and the page into the files that were asked for, the report to stdout."""
    from coarse_to_fine.evaluation.predictions import write_predictions

    if predictions is not None:
        write_predictions(predictions, answers)
    output.print_report(report, as_json, html)
