"""Reading checkpoints of the official release and of Lighthouse."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from coarse_to_fine.checkpoint_files import read_checkpoint
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.qd_detr.weights import (
    KNOWN_FEATURES,
    import_checkpoint,
    known_features,
    reorder_blocks,
)
from coarse_to_fine.model_folders import save_model
from coarse_to_fine.types import SegmentFeatures, TextFeatures
from tests.fine_grained.qd_detr_checkpoints import (
    lighthouse_options,
    official_options,
    random_state,
    recorded_shapes,
    write_checkpoint,
)


class Evil:
    """Unpickling it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.target), "w"))


def test_every_recorded_family_is_recognised_by_its_shapes(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    for family, shapes in recorded_shapes(pytestconfig).items():
        options = official_options() if family.startswith("official") else lighthouse_options()
        path = write_checkpoint(tmp_path / "model.ckpt", random_state(shapes), options)
        model = import_checkpoint(path)
        assert {name: list(value.shape) for name, value in model.state_dict().items()} == shapes, family
        assert model.config.video_input_dim + model.config.audio_input_dim in {width for width, _ in KNOWN_FEATURES}


def test_families_order_their_blocks_differently(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    state = random_state(recorded_shapes(pytestconfig)["official_slowfast_clip"])
    official = import_checkpoint(write_checkpoint(tmp_path / "a.ckpt", state, official_options()))
    lighthouse = import_checkpoint(write_checkpoint(tmp_path / "b.ckpt", state, lighthouse_options()))
    assert official.config.feature_names == ("slowfast", "clip")
    assert official.config.video_feature_dims == (2304, 512)
    assert lighthouse.config.feature_names == ("clip", "slowfast")
    assert lighthouse.config.video_feature_dims == (512, 2304)


def test_reordered_blocks_give_the_same_output(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    for family in ("official_slowfast_clip", "official_slowfast_clip_pann"):
        path = write_checkpoint(
            tmp_path / "a.ckpt", random_state(recorded_shapes(pytestconfig)[family]), official_options()
        )
        kept, moved = import_checkpoint(path), import_checkpoint(path, block_order=("clip", "slowfast"))
        generator = torch.Generator().manual_seed(1)
        slowfast, clip = torch.randn(7, 2304, generator=generator), torch.randn(7, 512, generator=generator)
        audio = torch.randn(7, kept.config.audio_feature_dim, generator=generator)
        text = TextFeatures("x", torch.zeros(512), torch.randn(5, 512, generator=generator))
        outputs = []
        for model, blocks in ((kept, (slowfast, clip, audio)), (moved, (clip, slowfast, audio))):
            rows = torch.cat(blocks, dim=1)
            video = SegmentFeatures("v#0", "v", 0.0, 14.0, 2.0, rows[:1], rows)
            outputs.append(model.locate([(model.video_cache(video), text)])[0])
        torch.testing.assert_close(outputs[0].saliency, outputs[1].saliency, rtol=1e-5, atol=1e-5)
        windows = [torch.tensor(sorted(output.windows_s.tolist())) for output in outputs]
        torch.testing.assert_close(*windows, rtol=1e-4, atol=1e-3)


def test_an_imported_model_is_stored_in_our_format(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    state = random_state(recorded_shapes(pytestconfig)["official_clip"])
    model = import_checkpoint(write_checkpoint(tmp_path / "a.ckpt", state, official_options()))
    save_model(model, tmp_path / "ours")
    stored = load_fine(tmp_path / "ours")
    assert stored.config == model.config
    for name, value in state.items():
        assert torch.equal(stored.state_dict()[name], value)


def test_a_pickle_with_a_side_effect_is_refused_and_does_nothing(tmp_path: Path) -> None:
    target = tmp_path / "side-effect"
    for writer in ("zip", "plain"):
        path = tmp_path / f"{writer}.ckpt"
        document = {"model": {"a": torch.zeros(1)}, "opt": Evil(target)}
        if writer == "zip":
            torch.save(document, path)
        else:
            path.write_bytes(pickle.dumps(document))
        with pytest.raises(WeightsError, match="safe to read"):
            read_checkpoint(path)
        assert not target.exists()


def test_allowing_options_is_not_left_behind(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    write_checkpoint(tmp_path / "a.ckpt", {"a": torch.zeros(1)}, official_options())
    assert read_checkpoint(tmp_path / "a.ckpt").options["nheads"] == 8
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_a_tensor_that_does_not_fit_is_named(pytestconfig: pytest.Config, tmp_path: Path, change: str) -> None:
    state = random_state(recorded_shapes(pytestconfig)["official_clip"])
    if change == "missing":
        del state["saliency_proj1.bias"]
    elif change == "unknown":
        state["position_ids"] = torch.zeros(1, 77)
    else:
        state["saliency_proj1.bias"] = torch.zeros(3)
    path = write_checkpoint(tmp_path / "a.ckpt", state, official_options())
    with pytest.raises(WeightsError, match="position_ids" if change == "unknown" else r"saliency_proj1\.bias"):
        import_checkpoint(path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", {"clip.logit_scale": torch.zeros(1)}, official_options())
    with pytest.raises(WeightsError, match="expected a QD-DETR"):
        import_checkpoint(path)


def test_an_unknown_input_width_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"770 channels.*514 \(official\)"):
        known_features({"input_vid_proj.0.LayerNorm.weight": torch.zeros(770)}, "official")


def test_without_options_the_origin_must_be_given(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    state = random_state(recorded_shapes(pytestconfig)["official_clip"])
    torch.save({"model": state}, tmp_path / "a.ckpt")
    with pytest.raises(WeightsError, match="origin"):
        import_checkpoint(tmp_path / "a.ckpt")
    assert import_checkpoint(tmp_path / "a.ckpt", origin="lighthouse").config.feature_names == ("clip",)


def test_a_wrong_block_order_is_refused() -> None:
    features = KNOWN_FEATURES[2818, "official"]
    with pytest.raises(WeightsError, match="slowfast"):
        reorder_blocks({}, features, ("clip", "audio"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_a_broken_file_gives_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(WeightsError) as error:
        import_checkpoint(tmp_path / "a.ckpt")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.ckpt"):
        import_checkpoint(tmp_path / "nothing.ckpt")
