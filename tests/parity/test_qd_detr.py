"""Layers and outputs of QD-DETR against those recorded from the official release."""

from __future__ import annotations

import pytest
import torch

from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.decoder import AnchorDecoder, DecoderLayer
from coarse_to_fine.fine_grained.layers.encoder import EncoderLayer
from coarse_to_fine.fine_grained.layers.positions import reference_code, video_position_code
from coarse_to_fine.fine_grained.layers.projection import InputProjection
from coarse_to_fine.fine_grained.layers.text_to_video import TextToVideoLayer, official_mask
from coarse_to_fine.fine_grained.qd_detr.model import TextPositions
from coarse_to_fine.fine_grained.qd_detr.negatives import negative_memory, rolled
from tests.parity.cases import Case
from tests.parity.qd_detr_network import inputs, network


def load_part(module: torch.nn.Module, case: Case, prefix: str) -> torch.nn.Module:
    module.load_state_dict(case.group(f"state.{prefix}"))
    return module.eval()


def sizes(case: Case) -> tuple[int, int, int, float]:
    config = case.config
    return config["hidden_dim"], config["nheads"], config["dim_feedforward"], 0.0


def part_prefix(case: Case, end: str) -> str:
    """The part of the state names before `end`, which differs by the layer that was recorded."""
    name = next(name for name in case.tensors if name.startswith("state.") and name.endswith(end))
    return name[len("state.") : -len(end)].rstrip(".")


@pytest.mark.parity("qd_detr", "position_video")
def test_video_position_code(case: Case) -> None:
    code = video_position_code(case.tensors["in.mask"].bool(), case.config["hidden_dim"])
    case.assert_close(code, case.tensors["out.pos"])


@pytest.mark.parity("qd_detr", "position_reference")
def test_reference_code(case: Case) -> None:
    code = reference_code(case.tensors["in.reference"], case.config["hidden_dim"])
    case.assert_close(code, case.tensors["out.sine"])


@pytest.mark.parity("qd_detr", "position_text")
def test_learned_text_positions(case: Case) -> None:
    rows, width = case.tensors["state.txt_position_embed.position_embeddings.weight"].shape
    positions = load_part(TextPositions(rows, width, 0.0), case, "txt_position_embed")
    case.assert_close(positions(case.tensors["in.text"]), case.tensors["out.pos"])


@pytest.mark.parity("qd_detr", "input_projection")
def test_input_projection(case: Case) -> None:
    config = case.config
    for name, width in (("video", config["v_feat_dim"]), ("text", config["t_feat_dim"])):
        projection = InputProjection(width, config["hidden_dim"], config["n_input_proj"], 0.0)
        load_part(projection, case, {"video": "input_vid_proj", "text": "input_txt_proj"}[name])
        case.assert_close(projection(case.tensors[f"in.{name}"]), case.tensors[f"out.{name}"], name)


@pytest.mark.parity("qd_detr", "t2v_layer")
def test_text_to_video_layer(case: Case) -> None:
    layer = load_part(TextToVideoLayer(*sizes(case)), case, part_prefix(case, "self_attn.in_proj_weight"))
    rows, position = (case.tensors[name].transpose(0, 1) for name in ("in.src", "in.pos"))
    real = ~case.tensors["in.padding"].bool()
    end = 1 + case.config["video_length"]
    mask = official_mask(real[:, 1:end], real[:, end:], case.config["nheads"])
    clips = layer(rows[:, 1:end], position[:, 1:end], rows[:, end:], position[:, end:], mask)
    expected = case.tensors["out.src"].transpose(0, 1)
    valid = real[:, 1:end, None]
    case.assert_close(clips * valid, expected[:, 1:end] * valid)
    case.assert_close(rows[:, end:], expected[:, end:], "words pass unchanged")
    case.assert_close(rows[:, :1], expected[:, :1], "the global token passes unchanged")


@pytest.mark.parity("qd_detr", "encoder_layer")
def test_encoder_layer(case: Case) -> None:
    layer = load_part(EncoderLayer(*sizes(case)), case, part_prefix(case, "self_attn.in_proj_weight"))
    rows, position = (case.tensors[name].transpose(0, 1) for name in ("in.src", "in.pos"))
    mask = key_padding(~case.tensors["in.padding"].bool())
    case.assert_close(layer(rows, position, mask), case.tensors["out.src"].transpose(0, 1))


@pytest.mark.parity("qd_detr", "decoder_layer")
def test_decoder_layer(case: Case) -> None:
    layer = DecoderLayer(*sizes(case), is_first=case.config["is_first"])
    load_part(layer, case, part_prefix(case, "sa_qcontent_proj.weight"))
    part = {name: value.transpose(0, 1) for name, value in case.group("in").items() if name != "memory_padding"}
    decoded = layer(
        part["tgt"],
        part["query_pos"],
        part["query_sine"],
        part["memory"],
        part["memory_pos"],
        ~case.tensors["in.memory_padding"].bool(),
    )
    case.assert_close(decoded, case.tensors["out.tgt"].transpose(0, 1))


@pytest.mark.parity("qd_detr", "decoder")
def test_decoder(case: Case) -> None:
    decoder = load_part(AnchorDecoder(*sizes(case), case.config["dec_layers"]), case, "transformer.decoder")
    anchors, memory, position = (
        case.tensors[name].transpose(0, 1) for name in ("in.query_embed", "in.memory", "in.memory_pos")
    )
    decoded = decoder(anchors, memory, position, ~case.tensors["in.memory_padding"].bool())
    case.assert_close(decoded.hidden, case.tensors["out.hs"], "hidden")
    case.assert_close(decoded.references, case.tensors["out.reference_points"], "references")


@pytest.mark.parity("qd_detr", "model_eval")
def test_model_outputs(case: Case) -> None:
    model = network(case).eval()
    expected = case.group("out")
    video, video_mask, text, text_mask = inputs(case)
    output = model(video, video_mask, text, text_mask)
    valid = video_mask[..., None]
    for layer in range(len(output.logits) - 1):
        case.assert_close(output.logits[layer], expected[f"aux{layer}.pred_logits"], f"logits of layer {layer}")
        case.assert_close(output.spans[layer], expected[f"aux{layer}.pred_spans"], f"spans of layer {layer}")
    case.assert_close(output.logits[-1], expected["pred_logits"], "logits")
    case.assert_close(output.spans[-1], expected["pred_spans"], "spans")
    case.assert_close(output.saliency * video_mask, expected["saliency_scores"] * video_mask, "saliency")
    case.assert_close(output.decoded.hidden, expected["hs"], "hidden")
    case.assert_close(output.decoded.references, expected["reference_points"], "references")
    case.assert_close(output.memory.clips * valid, expected["memory"] * valid, "memory")
    case.assert_close(output.memory.overall, expected["memory_global"], "global token")


@pytest.mark.parity("qd_detr", "model_eval")
def test_negative_pass(case: Case) -> None:
    expected = case.group("out")
    if "saliency_scores_neg" not in expected:
        pytest.skip("no negative pass recorded")
    model = network(case).eval()
    video, video_mask, text, text_mask = inputs(case)
    clips, words = model.input_vid_proj(video), model.input_txt_proj(text)
    memory = negative_memory(model, clips, video_mask, words, text_mask, rolled(len(video)), keep_positions=True)
    case.assert_close(memory.overall, expected["memory_global_neg"], "global token")
    scores = model.saliency(memory)
    case.assert_close(scores * video_mask, expected["saliency_scores_neg"] * video_mask, "saliency")


@pytest.mark.parity("qd_detr", "model_eval")
def test_correct_mask_equals_samples_alone(case: Case) -> None:
    video, video_mask, text, text_mask = inputs(case)
    output = network(case, mask="correct").eval()(video, video_mask, text, text_mask)
    for sample in range(len(video)):
        alone = case.group(f"out.single.{sample}")
        clips = int(video_mask[sample].sum())
        if not alone:  # recorded only where the release's mask matters; alone, both masks are the same
            words = int(text_mask[sample].sum())
            single = network(case).eval()(
                video[sample : sample + 1, :clips],
                video_mask[sample : sample + 1, :clips],
                text[sample : sample + 1, :words],
                text_mask[sample : sample + 1, :words],
            )
            alone = {
                "pred_logits": single.logits[-1],
                "pred_spans": single.spans[-1],
                "saliency_scores": single.saliency,
            }
        case.assert_close(output.logits[-1, sample], alone["pred_logits"][0], "logits")
        case.assert_close(output.spans[-1, sample], alone["pred_spans"][0], "spans")
        case.assert_close(output.saliency[sample, :clips], alone["saliency_scores"][0], "saliency")
