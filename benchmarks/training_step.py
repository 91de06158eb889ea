"""How long is a step of training: a batch at once, or the same samples one by one?

Random features of CLIP's width and the published architectures; a step is the forward pass, the gradients and the
update of all weights, its batch collated beforehand. One by one, a fine model sees each sample as a batch of one and
adds the gradients up: the same layers, losses and matching, but nothing shared. T-MASS and T-MASS-V2 compare every
sentence of a batch with every video; one by one they see pair after pair as the papers write it. The encoder sees
scenes of four pictures with four sentences each; one by one its towers see a single picture with its sentences. The
losses of these three are checked to be those of the batch. Prints a table and, as the last line, the same as JSON:

    python benchmarks/training_step.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from coarse_to_fine.coarse_grained.pairs import coarse_pairs
from coarse_to_fine.coarse_grained.t_mass.loss import contrastive_loss, t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass, TMassBatch, paired_similarity
from coarse_to_fine.coarse_grained.t_mass.stochastic import draw_noise, stochastic_text, support_text
from coarse_to_fine.coarse_grained.t_mass.training import TMassRecipe
from coarse_to_fine.coarse_grained.t_mass_v2.model import TMassV2
from coarse_to_fine.coarse_grained.t_mass_v2.training import TMassV2Learning, TMassV2Recipe
from coarse_to_fine.encoders.pretraining.samples import SceneSamples
from coarse_to_fine.encoders.pretraining.task import EncoderTask
from coarse_to_fine.encoders.train import EncoderTrainingConfig, world_tokenizer
from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.mesm.recipe import MesmRecipe
from coarse_to_fine.fine_grained.qd_detr.recipe import QdDetrRecipe
from coarse_to_fine.training.task import Batch, TrainingTask
from coarse_to_fine.types import SegmentFeatures, TextFeatures

SMALL = {"hidden_dim": 128, "heads": 4, "feed_forward_dim": 512}
MODELS = ("encoder", "t-mass", "t-mass-v2", "qd-detr", "mesm")
WIDTH, TOKENS, FRAMES = 512, 14, 12


@dataclass(frozen=True)
class Ways:
    """Two functions that fill the gradients of one step and return its loss."""

    task: TrainingTask
    batched: Callable[[], Tensor]
    one_by_one: Callable[[], Tensor]


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="models")
    parser.add_argument("--size", choices=("published", "small"), default="published", help="width of the fine models")
    parser.add_argument("--clips", type=int, nargs="+", default=[31, 75, 180], help="clips of a video")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32], help="samples of a step")
    parser.add_argument("--repeats", type=int, default=5, help="steps; the median counts")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and features")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    rows = []
    print(f"{'model':>8} {'clips':>6} {'batch':>6} {'ms a step':>10} {'one by one':>11} {'times':>6} {'CPU times':>10}")
    for name in options.models:
        for clips in {"encoder": [4], "t-mass": [FRAMES], "t-mass-v2": [FRAMES]}.get(name, options.clips):
            for batch in options.batch:
                rows.append(measure(name, clips, batch, options))
                row = rows[-1]
                cells = (f"{row['ms']:>10.1f}", f"{row['one_by_one_ms']:>11.1f}", f"{row['times']:>6.1f}")
                print(f"{name:>8} {clips:>6} {batch:>6}", *cells, f"{row['cpu_times']:>10.1f}", flush=True)
    about = {"torch": torch.__version__, "machine": f"{platform.machine()} {platform.processor()}".strip()}
    print(json.dumps({**vars(options), **about, "rows": rows}))


def measure(name: str, clips: int, batch: int, options: argparse.Namespace) -> dict[str, object]:
    torch.manual_seed(options.seed)
    ways = ways_of(name, batch, clips, options.size)
    ways.task.model.train()
    optimizer = torch.optim.AdamW(ways.task.model.parameters(), lr=1e-4)
    wall, cpu = step_ms(ways.batched, optimizer, options.repeats)
    slow_wall, slow_cpu = step_ms(ways.one_by_one, optimizer, options.repeats)
    return {
        "model": name,
        "clips": clips,
        "batch": batch,
        "ms": round(wall, 2),
        "one_by_one_ms": round(slow_wall, 2),
        "times": round(slow_wall / wall, 2),
        "cpu_times": round(slow_cpu / cpu, 2),
    }


def ways_of(name: str, batch: int, clips: int, size: str) -> Ways:
    if name == "encoder":
        return encoder_ways(batch)
    samples = examples(batch, clips)
    if name in ("t-mass", "t-mass-v2"):
        return coarse_ways(name, samples)
    return fine_ways(name, samples, size)


def fine_ways(name: str, samples: list[TrainingExample], size: str) -> Ways:
    recipe_class = {"qd-detr": QdDetrRecipe, "mesm": MesmRecipe}[name]
    architecture = {"video_feature_dims": (WIDTH,), "text_feature_dim": WIDTH, **(SMALL if size == "small" else {})}
    recipe = recipe_class.model_validate({"name": name, "architecture": architecture})
    _, task = recipe.task(samples, samples)
    generator = torch.Generator().manual_seed(0)
    whole = task.data.batch(range(len(samples)), generator)
    singles = [task.data.batch([index], generator) for index in range(len(samples))]
    return Ways(
        task,
        lambda: backward(task, whole),
        lambda: torch.stack([backward(task, single, len(samples)) for single in singles]).sum(),
    )


def backward(task: TrainingTask, batch: Batch, parts: int = 1) -> Tensor:
    loss = task.losses(batch, torch.Generator().manual_seed(0)).total / parts
    loss.backward()
    return loss.detach()


def coarse_ways(name: str, samples: list[TrainingExample]) -> Ways:
    """The dropout is left out, so that both ways compute the same."""
    if name == "t-mass":
        recipe, apart = TMassRecipe.model_validate(recipe_of(name, dropout=0.0)), pair_after_pair
    else:
        recipe, apart = TMassV2Recipe.model_validate(recipe_of(name, align_dropout=0.0)), aligned_pair_after_pair
    pairs = coarse_pairs(samples)
    model, task = recipe.task(pairs, pairs)
    batch = task.data.batch(range(len(samples)), torch.Generator())
    return checked(task, batch, lambda: apart(model, batch.data["text"], batch.data["frames"]))


def recipe_of(name: str, **architecture: float) -> dict[str, object]:
    return {"name": name, "architecture": {"embed_dim": WIDTH, **architecture}}


def encoder_ways(scenes: int) -> Ways:
    config = EncoderTrainingConfig(vocabulary_scenes=200, scenes=scenes)
    task = EncoderTask(config, world_tokenizer(config))
    batch = task.data.batch(range(scenes), torch.Generator().manual_seed(0))

    def apart() -> Tensor:
        rows = [[picture(task, batch, scene, frame) for frame in range(config.frames)] for scene in range(scenes)]
        joined = {
            name: torch.cat([torch.cat([each[name] for each in one], dim=1) for one in rows]) for name in rows[0][0]
        }
        return task.contrast(joined, torch.Generator()).total

    return checked(task, batch, apart)


def picture(task: EncoderTask, batch: Batch, scene: int, frame: int) -> dict[str, Tensor]:
    """What the towers make of one picture and its sentences."""
    one = (slice(scene, scene + 1), slice(frame, frame + 1))
    alone = {field.name: getattr(batch.data, field.name)[one] for field in fields(batch.data)}
    return task.encode(replace(batch, data=SceneSamples(**alone)), torch.Generator())


def checked(task: TrainingTask, batch: Batch, apart: Callable[[], Tensor]) -> Ways:
    """Both ways, if they give the same loss.

    Args:
        apart: the loss, one by one.
    """
    with torch.no_grad():
        one_by_one, together = apart(), task.losses(batch, torch.Generator().manual_seed(0)).total
    assert float((one_by_one - together).abs()) < 1e-4, f"the two ways differ: {one_by_one} and {together}"

    def backward_apart() -> Tensor:
        loss = apart()
        loss.backward()
        return loss.detach()

    return Ways(task, lambda: backward(task, batch), backward_apart)


def pair_after_pair(model: TMass, text: Tensor, frames: Tensor) -> Tensor:
    """The loss of a batch from single pairs: every video is pooled for every sentence alone."""
    noise = draw_noise(tuple(text.shape), model.config.prior, model.config.prior_std, torch.Generator().manual_seed(0))
    pooled = torch.stack(
        [torch.stack([model.pooling(one[None], video[None])[0, 0] for one in text]) for video in frames]
    )
    cosines = [
        (one / one.norm() * video / video.norm(dim=-1, keepdim=True)).sum(dim=-1) for one, video in zip(text, frames)
    ]
    log_radius = torch.stack([model.radius.log_radius(each) for each in cosines])
    radius = log_radius.exp()
    stochastic, support = stochastic_text(text, radius, noise), support_text(text, pooled, radius)
    similarities = paired_similarity(stochastic, pooled), paired_similarity(support, pooled)
    found = TMassBatch(pooled, log_radius, stochastic, support, *similarities)
    return t_mass_loss(found, model.logit_scale, 0.8).total


def aligned_pair_after_pair(model: TMassV2, text: Tensor, frames: Tensor) -> Tensor:
    """The loss of the first phase, in which T-MASS stays as it is, from single pairs."""
    shape = (len(text), TMassV2Learning().samples, text.shape[1])
    noise = draw_noise(shape, model.config.prior, model.config.prior_std, torch.Generator().manual_seed(0))
    rows = [
        [model(one[None], video[None], own[None], frozen=True).mean() for video in frames]
        for one, own in zip(text, noise)
    ]
    return contrastive_loss(torch.stack([torch.stack(row) for row in rows]), model.t_mass.logit_scale)


def examples(count: int, clips: int) -> list[TrainingExample]:
    """Samples of different videos and sentences, one window each."""
    made = []
    for number in range(count):
        rows = torch.randn(clips, WIDTH)
        first = int(torch.randint(0, clips // 2, ()))
        windows = torch.tensor([[2.0 * first, 2.0 * (first + clips // 4)]])
        segment = SegmentFeatures(f"v{number}#0", f"v{number}", 0.0, 2.0 * clips, 2.0, rows[:FRAMES], rows)
        text = TextFeatures(f"sentence {number}", torch.randn(WIDTH), torch.randn(TOKENS, WIDTH))
        made.append(TrainingExample(f"q{number}", f"v{number}", text, segment, windows, 2.0 * clips))
    return made


def step_ms(gradients: Callable[[], Tensor], optimizer: torch.optim.Optimizer, repeats: int) -> tuple[float, float]:
    """Median milliseconds of a step: the clock on the wall, and the CPU time of this process."""
    wall, cpu = [], []
    for _ in range(repeats + 1):
        start, start_cpu = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        gradients()
        optimizer.step()
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
    return statistics.median(wall[1:]), statistics.median(cpu[1:])


if __name__ == "__main__":
    main()
