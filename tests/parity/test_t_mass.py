"""The T-MASS head computes what the release computed, from the same weights, inputs and noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coarse_to_fine.coarse_grained.base import unit
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.evaluation_scores import evaluation_scores
from coarse_to_fine.coarse_grained.t_mass.loss import contrastive_loss, t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.pooling import FramePooling
from coarse_to_fine.coarse_grained.t_mass.stochastic import (
    Radius,
    frame_cosines,
    paired_frame_cosines,
    stochastic_text,
    trial_cosines,
)
from coarse_to_fine.coarse_grained.t_mass.weights import RELEASE_NAMES, head_names, load_head
from coarse_to_fine.evaluation.video_retrieval import (
    dual_softmax,
    text_to_video,
    true_ranks,
    video_to_text,
)
from coarse_to_fine.training.optimisers import AdamDecoupled
from coarse_to_fine.training.schedules import warmup_cosine
from tests.parity.cases import Case

RECALLS = (1, 5, 10, 50, 100)


def part(module: nn.Module, case: Case, prefix: str) -> nn.Module:
    """A part of the head with the case's weights, all of them."""
    state = {head_names()[name]: value for name, value in case.group("state").items()}
    module.load_state_dict({name.removeprefix(prefix): value for name, value in state.items()})
    return module


def head(case: Case, text_dim: int, frames: int, **fields: object) -> TMass:
    config = TMassConfig(
        embed_dim=text_dim,
        num_frames=frames,
        num_heads=case.config.get("num_mha_heads", 1),
        prior=case.config.get("stochastic_prior", "uniform01"),
        prior_std=case.config.get("stochastic_prior_std", 1.0),
        dropout=case.config.get("dropout", 0.0),
        **fields,  # type: ignore[arg-type]
    )
    model = TMass(config)
    load_head(model, case.group("state"), case.name)
    return model


def flatten_captions(grid: Tensor) -> tuple[Tensor, Tensor]:
    """(P, M, V) padded grid, its text ids being the videos in order, as (T, V) rows and (T,) the true video of each.

    A padded caption has NaN with its own video and is left out. Texts come in the order of their ids, then captions.
    """
    ids, captions, videos = grid.shape
    assert ids == videos
    own = torch.arange(ids)
    present = ~torch.isnan(grid[own, :, own])  # (P, M)
    return grid[present], own[:, None].expand(ids, captions)[present]


def official_gradients(model: TMass) -> dict[str, Tensor]:
    ours = dict(model.named_parameters())
    return {name: ours[own].grad for name, own in head_names().items() if own != "logit_scale"}


@pytest.mark.parity("t_mass", "pooling")
def test_pooling(case: Case) -> None:
    text, frames = case.tensors["in.text"], case.tensors["in.frames"]
    pooling = FramePooling(text.shape[1], case.config["num_mha_heads"])
    if "init" in case.config["init"]:
        fresh = {name: value.clone() for name, value in pooling.state_dict().items()}
        part(pooling, case, "pooling.")
        for name, value in pooling.state_dict().items():
            torch.testing.assert_close(fresh[name], value, msg=f"initial value of {name}")
    part(pooling, case, "pooling.")
    case.assert_close(pooling.attend(text, frames), case.tensors["out.attn"], "attention")
    case.assert_close(pooling(text, frames), case.tensors["out.pooled"], "pooled")


@pytest.mark.parity("t_mass", "radius")
def test_radius(case: Case) -> None:
    text, frames = case.tensors["in.text"], case.tensors["in.frames_paired"]
    radius = Radius(frames.shape[1], text.shape[1])
    fresh = {name: value.clone() for name, value in radius.state_dict().items()}
    part(radius, case, "radius.")
    if "init" in case.config["init"]:
        for name, value in radius.state_dict().items():
            torch.testing.assert_close(fresh[name], value, msg=f"initial value of {name}")
    cosines = paired_frame_cosines(text, frames)
    case.assert_close(cosines, case.tensors["out.frame_cos"], "cosines of pairs")
    case.assert_close(radius.log_radius(cosines), case.tensors["out.log_var"], "log radius of pairs")
    case.assert_close(radius(cosines), case.tensors["out.radius"], "radius of pairs")
    grid = frame_cosines(text, case.tensors["in.frames_gallery"])
    case.assert_close(grid, case.tensors["out.frame_cos_grid"], "cosines of the grid")
    case.assert_close(radius.log_radius(grid), case.tensors["out.log_var_grid"], "log radius of the grid")


@pytest.mark.parity("t_mass", "stochastic_text")
def test_stochastic_text(case: Case) -> None:
    text, frames = case.tensors["in.text"], case.tensors["in.frames"]
    radius = part(Radius(frames.shape[1], text.shape[1]), case, "radius.")
    assert isinstance(radius, Radius)
    cosines = paired_frame_cosines(text, frames)
    case.assert_close(radius.log_radius(cosines), case.tensors["out.log_var"], "log radius")
    random = stochastic_text(text, radius(cosines), case.tensors["in.eps"])
    case.assert_close(random, case.tensors["out.text_stochastic"], "random texts")


@pytest.mark.parity("t_mass", "clip_loss")
def test_contrastive_loss(case: Case) -> None:
    similarity = case.tensors["in.sims"].requires_grad_()
    logit_scale = case.tensors["in.logit_scale"].requires_grad_()
    loss = contrastive_loss(similarity, logit_scale)
    loss.backward()
    case.assert_close(loss, case.tensors["out.loss"], "loss")
    case.assert_close(similarity.grad, case.tensors["grad.sims"], "gradient of the similarities")
    case.assert_close(logit_scale.grad, case.tensors["grad.logit_scale"], "gradient of the temperature")


@pytest.mark.parity("t_mass", "train_step")
def test_one_training_step(case: Case) -> None:
    text = case.tensors["in.text"].requires_grad_()
    frames = case.tensors["in.frames"].requires_grad_()
    model = head(case, text.shape[1], frames.shape[1]).train()
    with torch.no_grad():
        model.logit_scale.copy_(case.tensors["in.logit_scale"])
    batch = model(text, frames, case.tensors["in.eps"])
    losses = t_mass_loss(batch, model.logit_scale, case.config["support_loss_weight"])
    losses.total.backward()

    expected = case.group("out")
    case.assert_close(batch.pooled, expected["pooled"], "pooled")
    case.assert_close(batch.log_radius, expected["log_var"], "log radius")
    case.assert_close(batch.stochastic, expected["text_stochastic"], "random texts")
    case.assert_close(batch.support, expected["text_support"], "support texts")
    case.assert_close(batch.stochastic_similarity, expected["sims_stochastic"], "similarity")
    case.assert_close(batch.support_similarity, expected["sims_support"], "support similarity")
    case.assert_close(losses.stochastic, expected["loss_stochastic"], "loss")
    case.assert_close(losses.support, expected["loss_support"], "support loss")
    case.assert_close(losses.total, expected["loss_total"], "total loss")

    gradients = {"text": text.grad, "frames": frames.grad, "logit_scale": model.logit_scale.grad}
    gradients |= {f"state.{name}": value for name, value in official_gradients(model).items()}
    for name, value in case.group("grad").items():
        case.assert_close(gradients[name], value, f"gradient of {name}")
    norm = torch.stack([value.norm() for value in gradients.values()]).norm()
    case.assert_close(norm, expected["grad_norm"], "norm of all gradients")


@pytest.mark.parity("t_mass", "train_loop")
def test_training_loop(case: Case) -> None:
    config = case.config
    bank = nn.ParameterDict({name: nn.Parameter(case.tensors[f"in.{name}"].clone()) for name in ("text", "frames")})
    model = head(case, bank["text"].shape[1], bank["frames"].shape[1]).train()
    with torch.no_grad():
        model.logit_scale.copy_(case.tensors["in.logit_scale"])
    towers = [*bank.values(), model.logit_scale]
    rest = [*model.pooling.parameters(), *model.radius.parameters()]
    optimizer = AdamDecoupled(
        [{"params": towers, "lr": config["clip_lr"]}, {"params": rest, "lr": config["noclip_lr"]}],
        betas=tuple(config["adam_betas"]),
        eps=config["adam_eps"],
        weight_decay=config["weight_decay"],
    )
    for step in range(config["steps"]):
        factor = warmup_cosine(step, config["training_steps"], config["warmup_steps"])
        for group, peak in zip(optimizer.param_groups, (config["clip_lr"], config["noclip_lr"])):
            group["lr"] = peak * factor
        rates = torch.tensor([group["lr"] for group in optimizer.param_groups])
        case.assert_close(rates, case.tensors["out.lr"][step], f"rates of step {step}")
        rows = case.tensors["in.batch_index"][step]
        batch = model(bank["text"][rows], bank["frames"][rows], case.tensors["in.eps"][step])
        losses = t_mass_loss(batch, model.logit_scale, config["support_loss_weight"])
        optimizer.zero_grad()
        losses.total.backward()
        norm = nn.utils.clip_grad_norm_([*towers, *rest], config["max_grad_norm"])
        optimizer.step()
        model.limit_logit_scale()
        case.assert_close(norm, case.tensors["out.grad_norm"][step], f"gradient norm of step {step}")
        case.assert_close(losses.stochastic, case.tensors["out.loss_stochastic"][step], f"loss of step {step}")
        case.assert_close(losses.support, case.tensors["out.loss_support"][step], f"support loss of step {step}")

    case.assert_close(bank["text"], case.tensors["out.final_text"], "final texts")
    case.assert_close(bank["frames"], case.tensors["out.final_frames"], "final frames")
    case.assert_close(model.logit_scale, case.tensors["out.final_logit_scale"], "final temperature")
    ours = model.state_dict()
    for name, value in case.group("out.final_state").items():
        case.assert_close(ours[head_names()[name]], value, f"final {name}")


@pytest.mark.parity("t_mass", "eval_similarity")
def test_evaluation_scores(case: Case) -> None:
    text, frames = case.tensors["in.text"], case.tensors["in.frames"]
    noise, owner = case.tensors["in.eps"], case.tensors["in.text_video_index"]
    model = head(case, text.shape[1], frames.shape[1], trials=noise.shape[1])
    with torch.no_grad():
        pooled = model.pooling(text, frames)
        radius = model.radius(frame_cosines(text, frames))
        trials = trial_cosines(text, pooled, radius, noise.transpose(0, 1))  # (S, V, T)
    case.assert_close(pooled, case.tensors["out.pooled"], "pooled")
    case.assert_close(trials.transpose(0, 1), case.tensors["out.trial_sims"], "cosine of each trial")
    best = case.tensors["out.best_trial"]
    chosen = noise.gather(1, best[:, None, :, None].expand(-1, 1, -1, noise.shape[-1]))[:, 0]
    case.assert_close(unit(stochastic_text(text, radius, chosen)), case.tensors["out.text_selected"], "chosen texts")
    case.assert_close(trials.amax(dim=0), case.tensors["out.trial_sims"].amax(dim=1), "best trial")

    query = evaluation_scores(model, text, frames, noise=noise.transpose(0, 1))
    case.assert_close(query, case.tensors["out.sims_query"], "score by the query")
    official = evaluation_scores(model, text, frames, owner, score="official", noise=noise.transpose(0, 1))
    grid = case.tensors["out.sims_official"]
    expected, _ = flatten_captions(grid)
    order = torch.argsort(owner, stable=True)
    case.assert_close(official[order], expected, "score by the candidates' own captions")
    for name, scores in (("query", query), ("official", official)):
        assert_metrics(case, scores, owner, case.values[name])


def assert_metrics(case: Case, scores: Tensor, owner: Tensor, expected: dict[str, dict[str, float]]) -> None:
    found = {
        "t2v": text_to_video(scores, owner, RECALLS, convention="t-mass"),
        "v2t": video_to_text(scores, owner, RECALLS, convention="t-mass"),
    }
    for direction, metrics in found.items():
        assert_same_metrics(case, metrics.as_dict(), expected[direction], direction)


def assert_same_metrics(case: Case, found: dict[str, float], expected: dict[str, float], what: str) -> None:
    ours = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "R50": "R@50", "R100": "R@100", "MedR": "MedR", "MeanR": "MeanR"}
    for name, value in expected.items():
        assert found[ours[name]] == pytest.approx(value, rel=1e-5, abs=1e-6), f"{case.name}: {what} {name}"


@pytest.mark.parity("t_mass", "metrics")
def test_metrics(case: Case) -> None:
    grid = case.tensors["in.sims"]
    grids = {"": grid}
    if "out.sims_dsl" in case.tensors:
        grids["_dsl"] = dual_softmax(grid)
        case.assert_close(grids["_dsl"], case.tensors["out.sims_dsl"], "dual softmax")
    for suffix, sims in grids.items():
        scores, owner = flatten_captions(sims)
        ranks = text_to_video(scores, owner, RECALLS, convention="t-mass").as_dict()
        assert_same_metrics(case, ranks, case.values[f"t2v{suffix}"], f"t2v{suffix}")
        ranks = video_to_text(scores, owner, RECALLS, convention="t-mass").as_dict()
        assert_same_metrics(case, ranks, case.values[f"v2t{suffix}"], f"v2t{suffix}")
    scores, owner = flatten_captions(grid)
    present = ~torch.isnan(grid).all(dim=2)
    expected = case.tensors["out.t2v_rank"].T[present]
    torch.testing.assert_close(true_ranks(scores, owner, convention="t-mass") - 1, expected.to(torch.float64))


def test_names_of_the_release_are_mapped_one_to_one() -> None:
    assert len(set(RELEASE_NAMES.values())) == len(RELEASE_NAMES)
