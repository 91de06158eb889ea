"""What does looking into K videos only cost in quality, and what does it save, against looking into all of them?

The exhaustive search runs the fine stage on every segment of the library. A search of K videos names the same moments
without those of the other videos, in the same order, so one exhaustive search of a sentence gives its answers for every
K; the times are those of real searches, and these are checked to give just those answers. Writes `bargain.json`,
`bargain.md` and `bargain.png`; the last line printed is the JSON. A run that was stopped goes on where it was:

    python benchmarks/bargain.py --world world-test --library test.ctf --coarse t-mass --fine qd-detr --out bargain
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from bargain_report import AIM, AIM_SHARE, write

from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.errors import DataError, UserError
from coarse_to_fine.evaluation.bootstrap import resampled_means
from coarse_to_fine.evaluation.corpus import best_overlaps
from coarse_to_fine.evaluation.truth import TruthQuery
from coarse_to_fine.experiment import read_queries
from coarse_to_fine.fusion import read_fusion
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.main_pipeline.pipeline import SEGMENTS_A_VIDEO
from coarse_to_fine.types import MomentHit

KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500)
METRICS = {
    "R@1 IoU 0.5": (1, 0.5),
    "R@1 IoU 0.7": (1, 0.7),
    "R@10 IoU 0.5": (10, 0.5),
    "R@10 IoU 0.7": (10, 0.7),
}
CHECKED = 10
"""Moments of a real search that are compared with those of the exhaustive one."""
MOST_MOMENTS = 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """What the exhaustive search says to one sentence.

    Attributes:
        ranks: of the video of each moment in the coarse stage; moments best first.
        overlaps: best IoU of each moment with a true window, -1 in a wrong video.
        confidences: of the fine stage alone.
        true_rank: of the best right video in the coarse stage.
        looked_into: segments of the first 1, 2, ... videos of the coarse stage.
        seconds: of the search.
    """

    ranks: np.ndarray
    overlaps: np.ndarray
    confidences: np.ndarray
    true_rank: np.ndarray
    looked_into: np.ndarray
    seconds: np.ndarray

    def rank_within(self, k: int, threshold: float) -> int:
        """Rank of the first right moment among those of the K best videos, 0 for none."""
        inside = self.ranks <= k
        right = inside & (self.overlaps >= threshold)
        return int(inside[: int(right.argmax())].sum()) + 1 if right.any() else 0

    def rank_by_fine_stage(self, threshold: float) -> int:
        """The same over all videos, in the order of the fine stage alone."""
        order = np.argsort(-self.confidences, kind="stable")
        right = self.overlaps[order] >= threshold
        return int(right.argmax()) + 1 if right.any() else 0


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True, help="folder with queries.<split>.jsonl")
    parser.add_argument("--library", type=Path, required=True, help="library with the videos of the split")
    parser.add_argument("--split", default="test")
    parser.add_argument("--coarse", default="t-mass", help="name or folder")
    parser.add_argument("--fine", default="qd-detr", help="name or folder")
    parser.add_argument("--fusion", type=Path, help="file of `ctf train fusion`; default: the bundled one")
    parser.add_argument("--k", type=int, nargs="+", default=list(KS), help="videos that the fine stage looks into")
    parser.add_argument("--queries", type=int, default=200, help="sentences, drawn from the split; 0: all")
    parser.add_argument("--timed", type=int, default=10, help="sentences that are really searched for each K")
    parser.add_argument("--least", type=int, default=1000, help="refuse a library with fewer segments")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap over videos")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of sentences and of the coarse stage's noise")
    parser.add_argument("--out", type=Path, required=True, help="folder for the report and for what is resumed")
    options = parser.parse_args(given)
    if options.timed < 1:
        parser.error(f"--timed {options.timed}: expected at least one sentence that is searched, give 1 or more")
    return options


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    torch.set_num_threads(options.threads)
    fusion = read_fusion(options.fusion) if options.fusion else None
    pipeline = Pipeline.load(options.library, coarse=options.coarse, fine=options.fine, fusion=fusion)
    segments = segments_by_video(pipeline, options.least)
    pipeline._fine.keep = max(pipeline._fine.keep, sum(segments.values()))  # else the exhaustive search forgets them
    queries = drawn(read_queries(options.world, options.split).queries, segments, options)
    answers = [answer for _, answer in answered(pipeline, queries, segments, options)]
    ks = [k for k in sorted(set(options.k)) if k < len(segments)]
    times, agreement = timed(pipeline, queries[: options.timed], [*ks, len(segments)], options.seed)
    report = {
        **about(pipeline, options, segments, queries),
        "same_moments_as_real_searches": agreement,
        "first_exhaustive_search_ms": round(1000 * max(float(answer.seconds) for answer in answers), 1),
        "exhaustive": exhaustive_row(answers, times[len(segments)]),
        "curve": [curve_row(k, answers, queries, segments, times[k], options) for k in ks],
    }
    report["aim"] = aim(report["curve"])
    write(options.out, report)
    print(json.dumps(report))


def segments_by_video(pipeline: Pipeline, least: int) -> dict[str, int]:
    """Number of segments of every video.

    Raises:
        UserError: a library with too few of them, or with videos that a search does not look into as a whole.
    """
    counts = {video.video_id: video.segment_count for video in pipeline.library.videos()}
    total, longest = sum(counts.values()), max(counts.values(), default=0)
    if total < least or longest > SEGMENTS_A_VIDEO:
        raise UserError(
            f"{pipeline.library.path} holds {total} segments, up to {longest} a video; expected at least {least}, and "
            f"at most {SEGMENTS_A_VIDEO} a video; index more videos, or lower --least for a trial"
        )
    return counts


def drawn(queries: Sequence[TruthQuery], segments: dict[str, int], options: argparse.Namespace) -> list[TruthQuery]:
    """Sentences of the split in random order.

    Raises:
        DataError: a true video is not in the library.
    """
    missing = {str(query.video_id) for query in queries} - segments.keys()
    if missing:
        raise DataError(f"the library lacks {len(missing)} true videos ({min(missing)}, ...); index the whole split")
    order = np.random.default_rng(options.seed).permutation(len(queries))
    return [queries[int(place)] for place in order[: options.queries or len(order)]]


def answered(
    pipeline: Pipeline, queries: Sequence[TruthQuery], segments: dict[str, int], options: argparse.Namespace
) -> list[tuple[TruthQuery, Answer]]:
    """The answers of the exhaustive search; those of an earlier run with the same parts are read."""
    folder = options.out / f"answers-{fingerprint(pipeline, options)}"
    found, started, searched = [], time.perf_counter(), 0
    for number, query in enumerate(queries, 1):
        file = folder / (hashlib.sha256(query.query_id.encode()).hexdigest()[:16] + ".npz")
        if not file.exists():
            whole = asdict(exhaustive(pipeline, query, segments, options.seed))
            with replacing(file) as unfinished, unfinished.open("wb") as out:
                np.savez(out, **whole)
            searched += 1
            left = (time.perf_counter() - started) / searched * (len(queries) - number)
            print(f"\r{number} of {len(queries)} sentences, about {left:.0f} s left ", end="", file=sys.stderr)
        with np.load(file) as arrays:
            found.append((query, Answer(**arrays)))
    print(file=sys.stderr)
    return found


def exhaustive(pipeline: Pipeline, query: TruthQuery, segments: dict[str, int], seed: int) -> Answer:
    started = time.perf_counter()
    hits = pipeline.search(query.text, top_videos=len(segments), top_moments=MOST_MOMENTS, seed=seed)
    seconds = time.perf_counter() - started
    ranked = [video.video_id for video in pipeline.rank_videos(query.text, len(segments), seed)]
    windows = np.array([(hit.start_s, hit.end_s) for hit in hits]).reshape(-1, 2)
    return Answer(
        np.array([hit.coarse_rank for hit in hits]),
        best_overlaps([hit.video_id for hit in hits], windows, query.answers),
        np.array([hit.moment_score for hit in hits]),
        np.array(min(ranked.index(video) + 1 for video in query.answers)),
        np.cumsum([segments[video] for video in ranked]),
        np.array(seconds),
    )


def timed(
    pipeline: Pipeline, queries: Sequence[TruthQuery], ks: Sequence[int], seed: int
) -> tuple[dict[int, dict[str, float]], float]:
    """Milliseconds of real searches for each K, sentence by sentence, so that other load falls on all K alike.

    Also the share of them whose first moments are those that the exhaustive search names in these K videos.
    """
    wall: dict[int, list[float]] = {k: [] for k in ks}
    cpu: dict[int, list[float]] = {k: [] for k in ks}
    coarse: list[float] = []
    same = []
    pipeline.search(queries[0].text, top_videos=max(ks), seed=seed)  # prepares every segment
    for query in queries:
        everything = pipeline.search(query.text, top_videos=max(ks), top_moments=MOST_MOMENTS, seed=seed)
        for k in ks:
            pipeline._texts.clear()  # a search encodes its sentence
            start, start_cpu = time.perf_counter(), time.process_time()
            hits = pipeline.search(query.text, top_videos=k, top_moments=CHECKED, seed=seed)
            wall[k].append(1000 * (time.perf_counter() - start))
            cpu[k].append(1000 * (time.process_time() - start_cpu))
            same.append(places(hits) == places([hit for hit in everything if hit.coarse_rank <= k][:CHECKED]))
        pipeline._texts.clear()
        start = time.perf_counter()
        pipeline.rank_videos(query.text, 1, seed)
        coarse.append(1000 * (time.perf_counter() - start))
    stage_one = statistics.median(coarse)
    return {
        k: {
            "ms": round(statistics.median(wall[k]), 1),
            "cpu_ms": round(statistics.median(cpu[k]), 1),
            "stage_one_ms": round(stage_one, 1),
        }
        for k in ks
    }, round(statistics.mean(same), 4)


def places(hits: Sequence[MomentHit]) -> list[tuple[str, float, float]]:
    return [(hit.video_id, round(hit.start_s, 2), round(hit.end_s, 2)) for hit in hits]


def recalls(ranks: Sequence[int], k: int) -> np.ndarray:
    return np.array([0 < rank <= k for rank in ranks], dtype=np.float64)


def values_within(answers: Sequence[Answer], k: int) -> dict[str, np.ndarray]:
    """Of each metric 0 or 1 for every sentence, with K videos looked into."""
    return {
        name: recalls([answer.rank_within(k, threshold) for answer in answers], at)
        for name, (at, threshold) in METRICS.items()
    }


def exhaustive_row(answers: Sequence[Answer], times: dict[str, float]) -> dict[str, object]:
    videos = len(answers[0].looked_into)
    alone = {
        name: recalls([answer.rank_by_fine_stage(threshold) for answer in answers], at)
        for name, (at, threshold) in METRICS.items()
    }
    return {
        "k": videos,
        "recall": percent(values_within(answers, videos)),
        "recall_by_fine_stage_alone": percent(alone),
        **times,
    }


def curve_row(
    k: int,
    answers: Sequence[Answer],
    queries: Sequence[TruthQuery],
    segments: dict[str, int],
    times: dict[str, float],
    options: argparse.Namespace,
) -> dict[str, object]:
    """Quality with K videos, its share of the exhaustive one with a 95 % interval over videos, and the cost."""
    own, whole = values_within(answers, k), values_within(answers, len(segments))
    both = np.stack([*own.values(), *whole.values()], axis=1)
    means = resampled_means(both, [query.cluster for query in queries], options.resamples, options.seed)
    kept = {}
    for number, name in enumerate(METRICS):
        above, below = means[:, number], means[:, len(METRICS) + number]
        draws = above[below > 0] / below[below > 0]
        total = whole[name].mean()
        kept[name] = {
            "share": round(float(own[name].mean() / total), 4) if total else None,
            "interval": [round(float(edge), 4) for edge in np.quantile(draws, [0.025, 0.975])] if len(draws) else None,
        }
    return {
        "k": k,
        "fine_cost": round(
            float(np.mean([answer.looked_into[k - 1] for answer in answers])) / sum(segments.values()), 5
        ),
        "right_video_among_k": round(100 * float(np.mean([answer.true_rank <= k for answer in answers])), 2),
        "recall": percent(own),
        "of_exhaustive": kept,
        **times,
    }


def percent(values: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: round(100 * float(each.mean()), 2) for name, each in values.items()}


def aim(curve: Sequence[dict[str, object]]) -> dict[str, object]:
    """For each metric the smallest K that keeps the share aimed at for it and all larger K, and whether it is cheap."""
    reached: dict[str, object] = {}
    for name in METRICS:
        first = None
        for row in reversed(curve):
            share = row["of_exhaustive"][name]["share"]
            if share is None or share < AIM:
                break
            first = row
        reached[name] = first and {"k": first["k"], "fine_cost": first["fine_cost"], "ms": first["ms"]}
    met = all(row is not None and row["fine_cost"] <= AIM_SHARE for row in reached.values())
    return {"share": AIM, "fine_cost": AIM_SHARE, "smallest_k": reached, "met": met}


def fingerprint(pipeline: Pipeline, options: argparse.Namespace) -> str:
    """Hash of all that decides an exhaustive answer."""
    digest = hashlib.sha256()
    library = pipeline.library
    told = (library.encoder_fingerprint, library.generation, len(library), pipeline.fusion.model_dump_json())
    digest.update(repr((*told, options.split, options.seed, str(library.path))).encode())
    for model in (pipeline._coarse.model, pipeline._fine.model):
        digest.update(model.name.encode())
        for name, value in sorted(model.state_dict().items()):
            digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def about(
    pipeline: Pipeline, options: argparse.Namespace, segments: dict[str, int], queries: Sequence[TruthQuery]
) -> dict[str, object]:
    return {
        "split": options.split,
        "encoder": f"{pipeline.library.encoder_name} ({pipeline.library.encoder_fingerprint[:8]})",
        "coarse": pipeline.coarse_name,
        "fine": pipeline.fine_name,
        "fusion": pipeline.fusion.model_dump(),
        "videos": len(segments),
        "segments": sum(segments.values()),
        "queries": len(queries),
        "timed": min(options.timed, len(queries)),
        "seed": options.seed,
        "threads": options.threads,
        "torch": torch.__version__,
        "machine": f"{platform.machine()} {platform.processor()}".strip(),
    }


if __name__ == "__main__":
    main()
