"""Builds networks, inputs and losses from the recorded cases of the MESM suite."""

from __future__ import annotations

import torch
from torch import Tensor

from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.mesm.contrast import guessed_words_accuracy, guessed_words_loss
from coarse_to_fine.fine_grained.mesm.loss import (
    MesmLossConfig,
    MesmTargets,
    sentence_loss,
)
from coarse_to_fine.fine_grained.mesm.masked_words import WordTargets, guess_words
from coarse_to_fine.fine_grained.mesm.model import MesmNetwork, Sentences
from coarse_to_fine.fine_grained.mesm.weights import Features, architecture_of, split_unused
from coarse_to_fine.fine_grained.objective import saliency_loss, window_losses
from tests.parity.cases import Case
from tests.parity.mesm_words import TextRows, clip_words, clips_of_group, given_words, table_words, text_tower

NAMES = {"loss_rec_fw": "loss_words", "rec_fw_acc": "words_right", "loss_rec_ss": "loss_sentences"}
"""Terms that have another name here."""


def expected(case: Case, mask: str) -> dict[str, Tensor]:
    """Outputs under one of the masks; those that the mask does not change are recorded once."""
    recorded = case.group("out")
    fixed = case.group("out.fixed")
    plain = {name: value for name, value in recorded.items() if not name.startswith("fixed.")}
    return plain if mask == "official" else fixed


def sizes(case: Case) -> tuple[int, int, int, float]:
    config = case.config
    return config["hidden_dim"], config["nheads"], config["dim_feedforward"], 0.0


def network(case: Case, mask: str) -> MesmNetwork:
    """The network of a case in eval mode; a case may lack what only training uses."""
    config, (used, _) = case.config, split_unused(case.group("state"))
    architecture = architecture_of(
        used,
        Features(("video",), (config["v_feat_dim"] - 2,)),
        heads=config["nheads"],
        max_words=config["max_words_l"],
        share_feed_forward=config["share_MLP"],
        official_mask=mask == "official",
        dropout=0.0,
        input_dropout=0.0,
    )
    model = MesmNetwork(architecture)
    lacking = () if architecture.word_classes else ("masked_token", "unknown_token")
    model.load_state_dict({name: value for name, value in used.items() if name not in lacking})
    return model.eval()


def groups(case: Case) -> Tensor:
    """Which video each row belongs to."""
    counts = case.tensors["in.num_clips"]
    return torch.arange(len(counts)).repeat_interleave(counts)


def text_rows(case: Case) -> TextRows:
    """Sentences by the text path that the case was recorded with."""
    ids, config = case.tensors["in.words_id"], case.config
    if ids.is_floating_point():
        return given_words(ids)
    tower = case.group("state.text_encoder")
    if config["tokenizer_type"] != "CLIP":
        return table_words(ids, tower["emb.weight"])
    return clip_words(text_tower(tower, text_heads(case))(ids), ids, config["max_words_l"])


def text_heads(case: Case) -> int | None:
    return case.config.get("heads") or (4 if case.config.get("tokenizer_type") == "CLIP" else None)


def project(model: MesmNetwork, case: Case) -> tuple[Tensor, Tensor, Sentences]:
    """Projected clips, their mask, and projected words with the summary of the videos, as the release batches them."""
    video, video_mask = case.tensors["in.video_feat"], case.tensors["in.video_mask"].bool()
    text, group = text_rows(case), groups(case)
    clips, words = model.input_vid_proj(video), model.input_txt_proj(text.words)
    keys, keys_mask = clips, video_mask
    if case.config["dataset_name"] == "qvhighlights":
        keys, keys_mask = clips_of_group(clips, video_mask, group)
    if model.config.official_mask:
        sentence = model.input_txt_proj(text.sentence)
        summary = model.ss_reconstructor.official(sentence, group, keys, keys_mask)
    else:
        summary = model.summarise(keys, keys_mask)
    return clips, video_mask, Sentences(words, text.mask, summary)


def negative_scores(
    model: MesmNetwork, clips: Tensor, video_mask: Tensor, sentences: Sentences, chosen: Tensor
) -> Tensor:
    position = video_position_code(video_mask, model.config.hidden_dim)
    return model.saliency(model.encode(clips, video_mask, sentences.chosen(chosen), position))


def targets(case: Case) -> MesmTargets:
    part = case.group("in")
    clip_mask = part["clip_mask"].bool()
    counts = part["num_windows"].tolist() if "num_windows" in part else [1] * len(clip_mask)
    labels = part["saliency_label"] if "saliency_label" in part else clip_mask.float()
    spans = list(part["norm_span"].split(counts))
    return MesmTargets(spans, labels, part["pos_idx"], part["neg_idx"], clip_mask, groups(case))


def loss_config(case: Case) -> MesmLossConfig:
    weights = case.config["weights"]
    assert [weights[f"cost_{name}"] for name in ("span", "giou", "class")] == [
        weights[name] for name in ("span", "giou", "label")
    ]
    return MesmLossConfig(
        span=weights["span"],
        giou=weights["giou"],
        label=weights["label"],
        saliency=weights["saliency"],
        rank_divisor=weights["rank_coef"],
        triplet=weights["use_triplet"],
        words=weights["rec_fw"],
        sentences=weights["rec_ss"],
        background=weights["eos_coef"],
        margin=weights["saliency_margin"],
        temperature=weights["saliency_tau"],
        contrast_temperature=weights["recss_tau"],
        same_overlap=weights["iou_gamma"],
        smoothing=weights["label_smoothing"],
    )


def word_targets(case: Case, masked: Tensor) -> WordTargets:
    part = case.group("in")
    return WordTargets(part["words_label"], part["unknown_mask"].bool(), masked.bool())


def all_losses(model: MesmNetwork, case: Case, chosen: Tensor, masked: Tensor | None) -> dict[str, Tensor]:
    """One step of the release; without `masked` as in its evaluation, which guesses no words."""
    truth, config = targets(case), loss_config(case)
    clips, video_mask, sentences = project(model, case)
    output = model.detect(clips, video_mask, sentences)
    negative = negative_scores(model, clips, video_mask, sentences, chosen)
    losses = window_losses(output.logits, output.spans, truth, config)
    losses["loss_saliency"] = saliency_loss(output.saliency, negative, video_mask, truth, config)
    losses["loss_sentences"] = sentence_loss(clips, sentences, truth, config)
    if masked is not None:
        words = word_targets(case, masked)
        position = video_position_code(video_mask, model.config.hidden_dim)
        logits = guess_words(model, sentences.words, sentences.mask, words, clips, position, truth.clip_mask)
        losses["loss_words"] = guessed_words_loss(logits, words.classes, sentences.mask, config.smoothing)
        losses["words_right"] = guessed_words_accuracy(logits, words.classes, sentences.mask)
    return losses


def assert_losses(case: Case, losses: dict[str, Tensor], recorded: dict[str, float]) -> None:
    for name, value in recorded.items():
        case.assert_close(losses[NAMES.get(name, name)], torch.tensor(value), name)
    assert losses.keys() == {NAMES.get(name, name) for name in recorded}
