"""How many candidates must the first choice keep so that the exact first 50 of T-MASS are among them?

And what does it save? The gallery has topics: frames of a segment are two topics and common backgrounds, sentences name
a topic pair of some segment. The head is trained for a moment on other segments of the same kind, so it is not the
identity. Candidates are chosen by their best frame; scores of the survivors are exact, so recall is all that can be
lost. Topics and backgrounds lie in `--rank` directions, as embeddings of real towers nearly do, and texts are as long
beside the noise of T-MASS as those of such towers. Prints a table and, as the last line, the same as JSON:

    python benchmarks/candidates.py --segments 20000
    python benchmarks/candidates.py --segments 1000000 --threads 2 --exact-part 20000
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from coarse_to_fine.coarse_grained.base import blocks, unit
from coarse_to_fine.coarse_grained.candidates import BestFrames
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.loss import t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass

SHARES = (0.0015, 0.0025, 0.005, 0.01, 0.02, 0.05)
TOP = 50
CHUNK = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=int, default=20_000, help="V")
    parser.add_argument("--queries", type=int, default=32, help="sentences")
    parser.add_argument("--topics", type=int, default=400, help="kinds of things to be seen")
    parser.add_argument("--width", type=int, default=512, help="D")
    parser.add_argument("--rank", type=int, default=64, help="directions that topics lie in; 0: all")
    parser.add_argument("--text-norm", type=float, default=10.0, help="length of a text embedding")
    parser.add_argument("--whole", action="store_true", help="compare whole frames, not shortened ones")
    parser.add_argument("--frames", type=int, default=12, help="F")
    parser.add_argument("--steps", type=int, default=60, help="training steps of the head, 0: the identity")
    parser.add_argument("--exact-part", type=int, default=0, help="time the exact pass on so many and scale; 0: on all")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    world = World(options)
    model = trained(world, options)
    text, _ = world.draw(options.queries, options.seed + 1)
    rows, exact_ms = measure(model, world, text, options)
    print(f"exact pass: {exact_ms:.1f} ms a query over {options.segments} segments, caches made beforehand\n")
    print(" ".join(f"{name:>11}" for name in ("candidates", "share", "recall@50", "worst", "ms/query", "cost")))
    for row in rows:
        print(" ".join(f"{value:>11}" for value in row.values()))
    print(json.dumps({**vars(options), "torch": torch.__version__, "exact_ms": exact_ms, "rows": rows}))


class World:
    """Segments of two topics among backgrounds, and sentences about them in directions of their own."""

    def __init__(self, options: argparse.Namespace) -> None:
        fixed = torch.Generator().manual_seed(options.seed)
        width, self.frames = options.width, options.frames
        rank = options.rank or width
        directions = torch.linalg.qr(torch.randn(width, rank, generator=fixed)).Q.T
        self.topics = unit(torch.randn(options.topics, rank, generator=fixed) @ directions)
        self.grounds = unit(torch.randn(20, rank, generator=fixed) @ directions)
        self.text_norm = options.text_norm
        self.gap = torch.randn(width, width, generator=fixed) / width**0.5
        self.noise = 0.25 / width**0.5

    def draw(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Sentences (count, D) and the frames (count, F, D) of the segments they are about."""
        own = torch.Generator().manual_seed(seed)
        shown = torch.randint(len(self.topics), (count, 2), generator=own)
        ground = torch.randint(len(self.grounds), (count, 1), generator=own)
        lengths = torch.randint(1, self.frames // 2, (count, 2), generator=own)
        place = torch.arange(self.frames).expand(count, -1)
        frames = self.grounds[ground].expand(-1, self.frames, -1).clone()
        for number, inside in enumerate((place < lengths[:, :1], place >= self.frames - lengths[:, 1:])):
            frames[inside] = self.topics[shown[:, number]].repeat_interleave(inside.sum(dim=1), dim=0)
        frames += self.noise * torch.randn(frames.shape, generator=own)
        meaning = self.topics[shown].sum(dim=1)
        text = meaning + 0.7 * meaning @ self.gap.T + self.noise * torch.randn(meaning.shape, generator=own)
        return self.text_norm * unit(text), frames


def trained(world: World, options: argparse.Namespace) -> TMass:
    model = TMass(TMassConfig(embed_dim=options.width, num_frames=options.frames))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(options.seed)
    for step in range(options.steps):
        text, frames = world.draw(64, options.seed + 1000 + step)
        loss = t_mass_loss(model(text, frames, torch.rand(text.shape, generator=generator)), model.logit_scale, 0.8)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return model.eval()


def measure(
    model: TMass, world: World, text: Tensor, options: argparse.Namespace
) -> tuple[list[dict[str, object]], float]:
    parts = list(blocks(options.segments, CHUNK))
    frames = [world.draw(part.stop - part.start, options.seed + 10_000_000 + part.start)[1].half() for part in parts]
    best = exact_top(model, text, frames)
    exact_ms = exact_time(model, text, frames, options)
    best_frames = BestFrames(directions=0) if options.whole else BestFrames()
    for block in frames:
        best_frames.extend(block)
    rows = [
        curve_point(model, best_frames, text, frames, best, max(TOP, round(share * options.segments)), exact_ms)
        for share in SHARES
    ]
    print(f"frames are {'shortened' if best_frames.shortened else 'whole'}")
    means = torch.cat([unit(unit(block.float()).mean(dim=1)) for block in frames])
    mean_recall = recall((unit(text) @ means.T).topk(rows[-1]["candidates"]).indices, best)
    print(f"for comparison, by the mean frame instead: {mean_recall[0]:.3f} with {rows[-1]['candidates']} candidates")
    return rows, exact_ms


def recall(found: Tensor, best: list[list[int]]) -> tuple[float, float]:
    """Mean and smallest share of the exact first that are among the candidates."""
    hits = [len(set(row) & set(top)) / len(top) for row, top in zip(found.tolist(), best)]
    return statistics.mean(hits), min(hits)


def curve_point(
    model: TMass,
    engine: BestFrames,
    text: Tensor,
    frames: list[Tensor],
    best: list[list[int]],
    count: int,
    exact_ms: float,
) -> dict[str, object]:
    def search() -> None:
        columns = engine.search(text[:1], count)[0].sort().values
        kept = torch.stack([frames[int(column) // CHUNK][int(column) % CHUNK] for column in columns])
        model.score_once(text[:1], kept)

    mean, worst = recall(engine.search(text, count), best)
    cost = median_ms(search)
    return {
        "candidates": count,
        "share": round(count / engine_size(frames), 4),
        "recall": round(mean, 4),
        "worst": round(worst, 3),
        "ms_per_query": round(cost, 2),
        "cost": round(cost / exact_ms, 4),
    }


def engine_size(frames: list[Tensor]) -> int:
    return sum(len(block) for block in frames)


def exact_top(model: TMass, text: Tensor, frames: list[Tensor]) -> list[list[int]]:
    scores = torch.cat([model.score_cached(text, model.video_cache(block)) for block in frames], dim=1)
    return scores.topk(min(TOP, scores.shape[1]), dim=1).indices.tolist()


def exact_time(model: TMass, text: Tensor, frames: list[Tensor], options: argparse.Namespace) -> float:
    """One query over the gallery with caches already made, which is what the first choice competes with."""
    part = options.exact_part or options.segments
    caches = [model.video_cache(block) for block in frames[: -(-part // CHUNK)]]
    timed = sum(len(cache["frames"]) for cache in caches)
    return median_ms(lambda: [model.score_cached(text[:1], cache) for cache in caches]) * options.segments / timed


def median_ms(work: Callable[[], object]) -> float:
    """Milliseconds of the process's CPU time: others may share this machine."""
    work()
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
