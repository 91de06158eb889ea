"""How fast is a fine model over many videos: every pair through the plain forward, or from caches in batches?

Random weights of the published width (CLIP features only) and random features; one sentence against many videos.
Prints a table and, as the last line, the same as JSON:

    python benchmarks/fine_search.py --model mesm --threads 1
"""

from __future__ import annotations

import argparse
import json
import platform

import torch
from timing import median_ms

from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.mesm import features as mesm_features
from coarse_to_fine.fine_grained.mesm import text as mesm_text
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.qd_detr import features as qd_detr_features
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.types import SegmentFeatures, TextFeatures

SMALL = {"video_feature_dims": (128,), "text_feature_dim": 128, "hidden_dim": 128, "heads": 4, "feed_forward_dim": 512}
MODELS = {"qd-detr": (QdDetr, QdDetrConfig), "mesm": (Mesm, MesmConfig)}
SIZES = {"published": {}, "small": SMALL}
CLIP_ROWS = {"qd-detr": qd_detr_features.clip_rows, "mesm": mesm_features.clip_rows}
WORD_ROWS = {"qd-detr": qd_detr_features.word_rows, "mesm": mesm_text.word_rows}
TOKENS = 14


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=list(MODELS), default="qd-detr", help="model")
    parser.add_argument("--size", choices=list(SIZES), default="published", help="architecture")
    parser.add_argument("--clips", type=int, nargs="+", default=[31, 75, 180], help="clips of a video")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32], help="pairs run together")
    parser.add_argument("--videos", type=int, default=64, help="videos of a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs; the median counts")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and features")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model_class, config_class = MODELS[options.model]
    model = model_class(config_class(**SIZES[options.size])).eval()
    rows = [row for clips in options.clips for row in measure(model, clips, options)]
    print(f"{'clips':>6} {'path':>8} {'batch':>6} {'ms a pair':>10} {'index ms a video':>17}")
    for row in rows:
        print(
            f"{row['clips']:>6} {row['path']:>8} {row['batch']:>6} {row['ms_per_pair']:>10.2f} {row['index_ms']:>17.2f}"
        )
    about = {
        "model": options.model,
        "size": options.size,
        "threads": options.threads,
        "torch": torch.__version__,
        "machine": machine(),
    }
    print(json.dumps({**about, "videos": options.videos, "tokens": TOKENS, "rows": rows}))


def measure(model: FineModel, clips: int, options: argparse.Namespace) -> list[dict[str, object]]:
    videos = [random_video(index, clips, model.config) for index in range(options.videos)]
    config = model.config
    text = TextFeatures("x", torch.randn(config.video_feature_dims[0]), torch.randn(TOKENS, config.text_feature_dim))
    plain = median_ms(lambda: run_plain(model, videos, text), options.repeats)[1] / options.videos
    rows: list[dict[str, object]] = [row(clips, "plain", 1, plain, 0.0)]
    index = median_ms(lambda: [model.video_cache(video) for video in videos], options.repeats)[1] / options.videos
    caches = [model.video_cache(video) for video in videos]
    pairs = [(cache, text) for cache in caches]
    for batch in options.batch:
        cached = median_ms(lambda batch=batch: model.locate(pairs, batch), options.repeats)[1] / options.videos
        rows.append(row(clips, "cached", batch, cached, index))
    return rows


def run_plain(model: FineModel, videos: list[SegmentFeatures], text: TextFeatures) -> None:
    """One pair after another, everything computed anew."""
    with torch.inference_mode():
        for video in videos:
            rows = CLIP_ROWS[model.name](video.clips, model.config)[None]
            words = WORD_ROWS[model.name](text.tokens, model.config)[None]
            model(rows, torch.ones(rows.shape[:2], dtype=torch.bool), words, torch.ones(1, TOKENS, dtype=torch.bool))


def random_video(index: int, clips: int, config: QdDetrConfig | MesmConfig) -> SegmentFeatures:
    rows = torch.randn(clips, config.stored_dim)
    return SegmentFeatures(f"v{index}#0", f"v{index}", 0.0, 2.0 * clips, 2.0, rows[:12], rows)


def row(clips: int, path: str, batch: int, ms: float, index_ms: float) -> dict[str, object]:
    return {"clips": clips, "path": path, "batch": batch, "ms_per_pair": round(ms, 3), "index_ms": round(index_ms, 3)}


def machine() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()


if __name__ == "__main__":
    main()
