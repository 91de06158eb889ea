"""How good is each pair of stages on videos of the drawn world? A table over systems and seeds, as Markdown and JSON.

    python benchmarks/world_table.py --world world-test --library world-test.ctf --t-mass runs/t-mass-{0,1,2}/model

Every number is measured on real H.264 files that were indexed. `--queries coarse` measures captions of whole videos.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from coarse_to_fine.evaluation.seeds import markdown_table, spread_over_runs
from coarse_to_fine.evaluation.truth import read_truth
from coarse_to_fine.experiment import evaluate_pipeline, read_queries
from coarse_to_fine.fusion import read_fusion
from coarse_to_fine.main_pipeline import Pipeline

COARSE_METRICS = ("VR R@1", "VR R@5", "VR R@10")
FINE_METRICS = ("R1@0.5", "R1@0.7", "mIoU")
JOINED_METRICS = ("VCMR-R1@0.5", "VCMR-R1@0.7", "VCMR-R10@0.5", "VCMR-R10@0.7")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True, help="folder with annotations of the split")
    parser.add_argument("--library", type=Path, required=True, help="library with exactly the videos of the split")
    parser.add_argument("--split", default="test")
    parser.add_argument("--queries", choices=("fine", "coarse"), default="fine")
    parser.add_argument("--t-mass", nargs="*", default=["t-mass"], help="folders of trained heads, one a seed")
    parser.add_argument(
        "--fine", nargs="*", default=["similarity", "qd-detr"], help="names or folders; with commas, one a seed"
    )
    parser.add_argument(
        "--fusion", type=Path, help="folder with fusion-<coarse>-<fine>.json; default: the bundled ones"
    )
    parser.add_argument("--train", type=Path, help="queries.train.jsonl, which the chance lines draw from")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the Markdown here too")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    truth = read_queries(options.world, options.split, options.queries)
    train = read_truth(options.train, "train") if options.train else None
    systems: dict[str, list] = {}
    seconds: dict[str, float] = {}
    for coarse_name, folders in (("mean-pool", ["mean-pool"]), ("t-mass", options.t_mass)):
        for fine in options.fine:
            for seed, (folder, locator) in enumerate(pairs(folders, fine.split(","))):
                started = time.perf_counter()
                pipeline = Pipeline.load(options.library, coarse=folder, fine=locator, fusion=None)
                chosen = options.fusion / f"fusion-{coarse_name}-{pipeline.fine_name}.json" if options.fusion else None
                if chosen is not None and chosen.is_file():
                    pipeline.fusion = read_fusion(chosen)
                _, report = evaluate_pipeline(pipeline, truth, train=train, seed=seed, resamples=options.resamples)
                name = f"{coarse_name} x {pipeline.fine_name}"
                systems.setdefault(name, []).append(report)
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
                print(f"{name}, {folder}, {locator}: {time.perf_counter() - started:.0f} s", flush=True)
    metrics = [*COARSE_METRICS, *((*FINE_METRICS, *JOINED_METRICS) if options.queries == "fine" else ())]
    table = markdown_table(systems, metrics)
    print(table)
    if options.out:
        options.out.write_text(table, encoding="utf-8")
    numbers = {name: {m: s.to_json() for m, s in spread_over_runs(runs).items()} for name, runs in systems.items()}
    print(json.dumps({"split": options.split, "queries": options.queries, "systems": numbers, "seconds": seconds}))


def pairs(coarse: list[str], fine: list[str]) -> list[tuple[str, str]]:
    """Run by run; the shorter list begins again."""
    count = max(len(coarse), len(fine))
    return [(coarse[run % len(coarse)], fine[run % len(fine)]) for run in range(count)]


if __name__ == "__main__":
    main()
