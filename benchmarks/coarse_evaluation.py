"""What does it cost to rank a large gallery for all sentences of a split: in blocks, as the command does, or at once?

Random features of the given size are written as `ctf extract` lays them out, and every path runs in a process of its
own: `blocks` is `evaluate_coarse`; `whole` holds all frames, the matrix of all scores and a sorted list of all videos
for every sentence, and evaluates these lists. Both have to agree on every metric. Prints a table with the ratios, and
the same as a last line of JSON:

    python benchmarks/coarse_evaluation.py --videos 5000 --queries 5000
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from coarse_search import memory_peak

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.rescoring import scores_as_searched
from coarse_to_fine.evaluation.evaluate import evaluate
from coarse_to_fine.evaluation.predictions import QueryPrediction, RankedVideos, predictions_in_memory
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.truth import read_truth
from coarse_to_fine.features.store import FeatureReader, Manifest
from coarse_to_fine.features.writer import FeatureWriter
from coarse_to_fine.stage_evaluation import evaluate_coarse

PATHS = ("blocks", "whole")
TEXTS_AT_ONCE = 64


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=5000, help="videos of the gallery, one segment each")
    parser.add_argument("--queries", type=int, default=5000, help="sentences")
    parser.add_argument("--width", type=int, default=512, help="D")
    parser.add_argument("--frames", type=int, default=12, help="F")
    parser.add_argument("--coarse", default="mean-pool", help="model")
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=PATHS, help="what is measured")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--measure", metavar="PATH", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    if options.measure:
        print(json.dumps(measure(options.measure, options.folder, options.coarse)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder), options)
        own = sys.argv[1:] if given is None else given
        rows = [in_own_process(path, Path(folder), own) for path in options.paths]
    common = set.intersection(*(set(row["metrics"]) for row in rows))  # a whole matrix of lists ranks no texts
    if any(row["metrics"][name] != rows[0]["metrics"][name] for row in rows for name in common):
        raise SystemExit(f"the paths do not agree: {[row['metrics'] for row in rows]}")
    print_table(rows)
    known = {name: value for name, value in vars(options).items() if name not in ("measure", "folder")}
    print(json.dumps({**known, "torch": torch.__version__, "machine": platform.machine(), "rows": rows}))


def write_random(folder: Path, options: argparse.Namespace) -> None:
    """A training set of random features: sentence q is about one of the videos, evenly spread."""
    encoder, generator = {"name": "random"}, torch.Generator().manual_seed(0)
    with FeatureWriter(folder / "videos", Manifest("video_segments", encoder, {})) as writer:
        for number in range(options.videos):
            frames = torch.randn(options.frames, options.width, generator=generator)
            about = {"video_id": f"v{number}", "source": "random", "start_s": 0.0, "end_s": 10.0, "clip_seconds": 2.0}
            writer.add(f"v{number}#0", {"frames": frames, "clips": torch.zeros(1, 1)}, **about)
    with FeatureWriter(folder / "texts", Manifest("text", encoder, {}), dtype=torch.float32) as writer:
        for number in range(options.queries):
            embedding = torch.randn(options.width, generator=generator)
            writer.add(f"text {number}", {"embedding": embedding, "tokens": torch.zeros(1, 1)}, truncated=False)
    annotations = folder / "annotations"
    annotations.mkdir()
    videos = [{"video_id": f"v{number}", "duration_s": 10.0, "fps": 5} for number in range(options.videos)]
    owners = [number * options.videos // options.queries for number in range(options.queries)]
    queries = [
        {"query_id": f"q{number}", "video_id": f"v{owner}", "text": f"text {number}", "windows_s": [[1, 3]]}
        for number, owner in enumerate(owners)
    ]
    for name, rows in (("videos.jsonl", videos), ("queries.test.jsonl", queries)):
        (annotations / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def in_own_process(path: str, folder: Path, given: list[str]) -> dict[str, object]:
    command = [sys.executable, __file__, *given, "--measure", path, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(path: str, folder: Path, name: str) -> dict[str, object]:
    model = load_coarse(name, device="cpu")
    loaded, start = memory_peak(), time.perf_counter()
    report = in_blocks(model, folder) if path == "blocks" else whole(model, folder)
    seconds = time.perf_counter() - start
    return {
        "path": path,
        "seconds": round(seconds, 1),
        "megabytes_on_top": round((memory_peak() - loaded) / 2**20),
        "megabytes_at_most": round(memory_peak() / 2**20),
        "metrics": {metric.name: metric.to_json()["value"] for metric in report.metrics},
    }


def in_blocks(model: CoarseModel, folder: Path) -> Report:
    return evaluate_coarse(model, folder, gallery=folder / "annotations" / "videos.jsonl")[1]


def whole(model: CoarseModel, folder: Path) -> Report:
    """Everything at once, sentence after sentence."""
    annotations = folder / "annotations"
    truth = read_truth(annotations / "queries.test.jsonl", gallery=annotations / "videos.jsonl")
    videos, texts = FeatureReader(folder / "videos"), FeatureReader(folder / "texts")
    frames = torch.stack([videos.read(f"{name}#0", "frames")["frames"] for name in truth.gallery])
    text = torch.stack([texts.read(query.text, "embedding")["embedding"] for query in truth.queries])
    cache = model.ranker.video_cache(frames)
    scores = torch.cat([scores_as_searched(model, part, frames, cache) for part in text.split(TEXTS_AT_ONCE)])
    answers = []
    for query, row in zip(truth.queries, scores, strict=True):
        order = torch.argsort(row, descending=True, stable=True).tolist()
        ranked = RankedVideos(tuple(truth.gallery[place] for place in order), row[order].double().numpy())
        answers.append(QueryPrediction(query.query_id, videos=ranked))
    return evaluate("videos", truth, predictions_in_memory(answers))


def print_table(rows: list[dict[str, object]]) -> None:
    names = ("path", "seconds", "of blocks", "MB beside the model", "of blocks", "MB of the process")
    print("| " + " | ".join(names) + " |\n|---" + "|---:" * (len(names) - 1) + "|")
    for row in rows:
        seconds, more = (
            f"{float(str(row[name])) / max(float(str(rows[0][name])), 0.1):.3g}"
            for name in ("seconds", "megabytes_on_top")
        )
        cells = [row["path"], row["seconds"], seconds, row["megabytes_on_top"], more, row["megabytes_at_most"]]
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
