"""MESM against recorded outputs, losses, gradients and training runs of the official release."""

from __future__ import annotations

import math

import pytest
import torch

from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.matching import CostWeights, match
from coarse_to_fine.fine_grained.mesm.contrast import guessed_words_accuracy, guessed_words_loss
from coarse_to_fine.fine_grained.mesm.enhancement import EnhancementEncoder, reading_mask
from coarse_to_fine.fine_grained.mesm.loss import sentence_loss
from coarse_to_fine.fine_grained.mesm.masked_words import guess_words
from coarse_to_fine.fine_grained.mesm.model import Sentences
from coarse_to_fine.fine_grained.mesm.sentence import SegmentSentence, sentences_of_video
from coarse_to_fine.fine_grained.mesm.weights import split_unused
from coarse_to_fine.fine_grained.objective import saliency_loss, total_loss, window_losses
from tests.parity.cases import Case
from tests.parity.mesm_cases import (
    NAMES,
    all_losses,
    assert_losses,
    expected,
    groups,
    loss_config,
    negative_scores,
    network,
    project,
    sizes,
    targets,
    text_heads,
    text_rows,
    word_targets,
)
from tests.parity.mesm_words import TextRows, clip_words, given_words, table_words, text_tower

MASKS = pytest.mark.parametrize("mask", ["official", "correct"])


def assert_text(case: Case, text: TextRows) -> None:
    case.assert_close(text.words, case.tensors["out.words_feat"], "words")
    assert torch.equal(text.mask, case.tensors["out.words_mask"].bool())
    case.assert_close(text.sentence, case.tensors["out.sentence_feat"], "sentence")


@pytest.mark.parity("mesm", "text_clip")
def test_clip_words(case: Case) -> None:
    ids = case.tensors["in.words_id"]
    states = text_tower(case.group("state.text_encoder"), text_heads(case))(ids)
    case.assert_close(states, case.tensors["out.last_hidden_state"], "states")
    assert_text(case, clip_words(states, ids, case.config["max_words_l"]))


@pytest.mark.parity("mesm", "text_glove")
def test_words_of_a_table(case: Case) -> None:
    assert_text(case, table_words(case.tensors["in.words_id"], case.tensors["state.text_encoder.emb.weight"]))


@pytest.mark.parity("mesm", "text_vectors")
def test_words_given_as_vectors(case: Case) -> None:
    assert_text(case, given_words(case.tensors["in.words_id"]))


@MASKS
@pytest.mark.parity("mesm", "t2v_encoder")
def test_enhancement_in_both_directions(case: Case, mask: str) -> None:
    encoder = EnhancementEncoder(*sizes(case), case.config["layers"], case.config["share_MLP"]).eval()
    prefix = next(name for name in case.tensors if name.startswith("state.")).partition("layers.")[0].rstrip(".")
    encoder.load_state_dict(case.group(prefix))
    part, out = case.group("in"), expected(case, mask)
    text_mask, video_mask = part["text_mask"].bool(), part["video_mask"].bool()
    official = mask == "official"
    reading = reading_mask(video_mask, text_mask, encoder_heads(case), official)
    enhanced = encoder(part["video"], part["video_pos"], part["text"], None, reading)
    valid = video_mask[..., None]
    case.assert_close(enhanced * valid, out["enhanced"] * valid, "clips read words")
    reading = reading_mask(text_mask, video_mask, encoder_heads(case), official)
    guessed = encoder.read_clips(part["text"], part["video"], part["video_pos"], reading)
    valid = text_mask[..., None]
    case.assert_close(guessed * valid, out["mlm"] * valid, "words read clips")


def encoder_heads(case: Case) -> int:
    return int(case.config["nheads"])


@MASKS
@pytest.mark.parity("mesm", "ss_reconstructor")
def test_summary_of_a_video(case: Case, mask: str) -> None:
    module = SegmentSentence(*sizes(case), case.config["layers"]).eval()
    state = {f"ss_reconstructor.{name}": value for name, value in case.group("state.ss_reconstructor").items()}
    used, _ = split_unused(state or {f"ss_reconstructor.{name}": v for name, v in case.group("state").items()})
    module.load_state_dict({name.removeprefix("ss_reconstructor."): value for name, value in used.items()})
    part, out, group = case.group("in"), expected(case, mask), groups(case)
    video_mask = part["video_mask"].bool()
    if mask == "official":
        words, words_mask = sentences_of_video(part["sentence"], group)
        case.assert_close(words, out["expanded_sentence"], "sentences of a video")
        assert torch.equal(words_mask, out["expanded_mask"].bool())
        summary = module.official(part["sentence"], group, part["video"], video_mask)
    else:
        summary = module(part["video"], video_mask)
    case.assert_close(summary, out["recon_feat"], "summary")


@MASKS
@pytest.mark.parity("mesm", "model_eval")
def test_model_outputs(case: Case, mask: str) -> None:
    out = expected(case, mask)
    if not out:
        pytest.skip("not recorded with a correct mask")
    model = network(case, mask)
    clips, video_mask, sentences = project(model, case)
    output = model.detect(clips, video_mask, sentences)
    for layer in range(len(output.logits) - 1):
        case.assert_close(output.logits[layer], out[f"aux{layer}.pred_logits"], f"logits of layer {layer}")
        case.assert_close(output.spans[layer], out[f"aux{layer}.pred_spans"], f"spans of layer {layer}")
    case.assert_close(output.logits[-1], out["pred_logits"], "logits")
    case.assert_close(output.spans[-1], out["pred_spans"], "spans")
    case.assert_close(output.saliency * video_mask, out["saliency_scores"] * video_mask, "saliency")
    assert sentences.summary is not None
    case.assert_close(sentences.summary, out["recon_feat"], "summary")
    if "neg_saliency_scores" in out:
        scores = negative_scores(model, clips, video_mask, sentences, case.tensors["in.neg_index"])
        case.assert_close(scores * video_mask, out["neg_saliency_scores"] * video_mask, "negative saliency")
    if "projed_video_feat" in out:
        valid, (words, words_mask) = video_mask[..., None], sentences.expanded()
        case.assert_close(clips * valid, out["projed_video_feat"] * valid, "projected clips")
        case.assert_close(sentences.words, out["projed_words_feat"], "projected words")
        case.assert_close(output.memory.enhanced * valid, out["enhanced_video_feat"] * valid, "enhanced clips")
        case.assert_close(words, out["expanded_words_feat"], "summary and words")
        assert torch.equal(words_mask, out["expanded_words_mask"].bool())


@pytest.mark.parity("mesm", "model_eval")
def test_plain_forward_sums_every_video_up_on_its_own(case: Case) -> None:
    """Where a group is one video, the plain forward is the recorded result without the release's mask."""
    out = expected(case, "correct")
    if not out or case.config["dataset_name"] == "qvhighlights":
        pytest.skip("a group of several segments, or not recorded with a correct mask")
    text = text_rows(case)
    model = network(case, "correct")
    output = model(case.tensors["in.video_feat"], case.tensors["in.video_mask"].bool(), text.words, text.mask)
    case.assert_close(output.logits[-1], out["pred_logits"], "logits")
    case.assert_close(output.spans[-1], out["pred_spans"], "spans")


@pytest.mark.parity("mesm", "model_eval")
def test_evaluation_losses(case: Case) -> None:
    if "losses" not in case.values:
        pytest.skip("no losses recorded")
    losses = all_losses(network(case, "official"), case, case.tensors["in.neg_index"], None)
    assert_losses(case, losses, case.values["losses"])
    case.assert_close(total_loss(losses, loss_config(case)), torch.tensor(case.values["total"]), "total")


@MASKS
@pytest.mark.parity("mesm", "model_train")
def test_training_step(case: Case, mask: str) -> None:
    values = case.values if mask == "official" else case.values["fixed"]
    model = network(case, mask).train()
    losses = all_losses(model, case, case.tensors["in.neg_index"], case.tensors["in.masked_words"])
    assert_losses(case, losses, values["losses"])
    total = total_loss(losses, loss_config(case))
    case.assert_close(total, torch.tensor(values["total"]), "total")
    total.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    if mask == "official":
        unused = set(case.values["parameters_without_gradient"])
        assert unused == set(case.group("state")) - set(gradients) - {n for n in case.group("state") if "text_enc" in n}
    recorded = case.group("grad")
    fixed = case.group("grad.fixed")
    chosen = fixed if mask == "correct" else {name: g for name, g in recorded.items() if not name.startswith("fixed.")}
    assert chosen
    for name, gradient in chosen.items():
        found = gradients[name]
        assert found is not None
        case.assert_close(found, gradient, name)
    norm = math.sqrt(sum(float(grad.square().sum()) for grad in gradients.values() if grad is not None))
    assert norm == pytest.approx(values["grad_norm"], rel=1e-3)


@MASKS
@pytest.mark.parity("mesm", "model_train")
def test_guessed_words_and_matches(case: Case, mask: str) -> None:
    model, out = network(case, mask).train(), expected(case, mask)
    clips, video_mask, sentences = project(model, case)
    position = video_position_code(video_mask, model.config.hidden_dim)
    words = word_targets(case, case.tensors["in.masked_words"])
    clip_mask = case.tensors["in.clip_mask"].bool()
    logits = guess_words(model, sentences.words, sentences.mask, words, clips, position, clip_mask)
    valid = sentences.mask[..., None]
    case.assert_close(logits * valid, out["recfw_words_logit"] * valid, "words")
    if mask == "official":
        output, truth, config = model.detect(clips, video_mask, sentences), targets(case), loss_config(case)
        found = match(
            output.logits[-1], output.spans[-1], truth.spans, CostWeights(config.span, config.giou, config.label)
        )
        assert found.query.tolist() == out["match_query"].tolist()
        assert found.target.tolist() == out["match_target"].tolist()


@pytest.mark.parity("mesm", "train_loop")
def test_training_loop(case: Case) -> None:
    config = case.config
    model = network(case, "official").train()
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=config["lr"],
        betas=tuple(config["betas"]),
        eps=config["eps"],
        weight_decay=config["weight_decay"],
    )
    for step, recorded in enumerate(case.values["steps"]):
        losses = all_losses(model, case, case.tensors["in.neg_index"][step], case.tensors["in.masked_words"][step])
        total = total_loss(losses, loss_config(case))
        optimiser.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config["grad_clip"])
        optimiser.step()
        for name, value in recorded.items():
            found = total if name == "total" else losses[NAMES.get(name, name)]
            case.assert_close(found, torch.tensor(value), f"step {step} {name}")
        assert float(norm) == pytest.approx(case.values["grad_norms"][step], rel=2e-3)
    state = model.state_dict()
    for name, value in case.group("out.param").items():
        if name.startswith("txt_position_embed."):
            assert torch.equal(value, case.group("state")[name])  # never touched
        else:
            case.assert_close(state[name], value, name)


@pytest.mark.parity("mesm", "losses")
def test_losses_and_their_gradients(case: Case) -> None:
    part = case.group("in")
    leaves = {
        name: part[name].requires_grad_()
        for name in part
        if name.endswith(("pred_logits", "pred_spans", "saliency_scores", "_feat", "words_logit"))
    }
    truth, config = targets(case), loss_config(case)
    logits = torch.stack([leaves["aux0.pred_logits"], leaves["pred_logits"]])
    spans = torch.stack([leaves["aux0.pred_spans"], leaves["pred_spans"]])
    losses = window_losses(logits, spans, truth, config)
    mask, words_mask = part["video_mask"].bool(), part["words_mask"].bool()
    scores = leaves["saliency_scores"], leaves["neg_saliency_scores"]
    losses["loss_saliency"] = saliency_loss(*scores, mask, truth, config)
    expanded = leaves["expanded_words_feat"]
    sentences = Sentences(expanded, part["expanded_words_mask"].bool(), None)
    losses["loss_sentences"] = sentence_loss(leaves["projed_video_feat"], sentences, truth, config)
    guessed = leaves["recfw_words_logit"]
    losses["loss_words"] = guessed_words_loss(guessed, part["words_label"], words_mask, config.smoothing)
    losses["words_right"] = guessed_words_accuracy(guessed, part["words_label"], words_mask)
    assert_losses(case, losses, case.values["losses"])
    total = total_loss(losses, config)
    case.assert_close(total, torch.tensor(case.values["total"]), "total")
    total.backward()
    for name, gradient in case.group("grad").items():
        found = leaves[name.removeprefix("in.")].grad
        assert found is not None
        case.assert_close(found, gradient, name)
    weights = CostWeights(config.span, config.giou, config.label)
    found_pairs = match(logits[-1], spans[-1], truth.spans, weights)
    assert found_pairs.query.tolist() == case.tensors["out.match_query"].tolist()
    assert found_pairs.target.tolist() == case.tensors["out.match_target"].tolist()
