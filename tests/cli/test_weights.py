"""`ctf weights`: files of the releases become folders of ours, or one line says why not."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coarse_to_fine.cli.main import command as whole_command
from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.t_mass.weights import DROPPED, export_release
from coarse_to_fine.encoders import load_encoder
from coarse_to_fine.encoders.weights import read_weights
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.mesm.weights import import_checkpoint, save_checkpoint
from coarse_to_fine.foreign_weights.settings import SETTINGS
from coarse_to_fine.types import SegmentFeatures, TextFeatures
from tests.fine_grained.qd_detr_checkpoints import lighthouse_options, write_checkpoint
from tests.foreign_weights.layouts import recorded, t_mass_state, write_clip, write_mesm, write_qd_detr, write_t_mass


def located(model, width: int):
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(6, width, generator=generator)
    text = TextFeatures("x", torch.zeros(512), torch.randn(5, 512, generator=generator))
    video = SegmentFeatures("v#0", "v", 0.0, 12.0, 2.0, rows[:1], rows)
    return model.locate([(model.video_cache(video), text)])[0]


def assert_one_line(result, *parts: str) -> None:
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert result.err.startswith("ctf: ")
    for part in parts:
        assert part in result.err


def test_a_lighthouse_checkpoint_becomes_a_fine_folder(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "clip_qd_detr_qvhighlight.ckpt", pytestconfig, "lighthouse_clip")
    result = ctf("weights", "import", file, "--out", tmp_path / "ours")
    assert result.code == 0, result.err
    assert "wants the features clip 512" in result.out
    assert f"--fine {tmp_path / 'ours'}" in result.out
    document = json.loads((tmp_path / "ours" / "config.json").read_text())
    origin = document["origin"]
    assert document["model"] == "qd-detr"
    assert origin["source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert origin["source_file"] == "clip_qd_detr_qvhighlight.ckpt"
    assert origin["trained_by"] == "lighthouse"
    assert "Zenodo" in origin["licence"]


def test_a_qd_detr_comes_back_from_our_folder_bit_for_bit(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "lighthouse_clip_slowfast_pann")
    assert ctf("weights", "import", file, "--out", tmp_path / "ours").code == 0
    first = load_fine(tmp_path / "ours")
    back = write_checkpoint(tmp_path / "back.ckpt", dict(first.state_dict()), lighthouse_options())
    assert ctf("weights", "import", back, "--out", tmp_path / "again").code == 0
    expected, found = (located(model, 512 + 2304 + 2048) for model in (first, load_fine(tmp_path / "again")))
    assert torch.equal(found.windows_s, expected.windows_s)
    assert torch.equal(found.saliency, expected.saliency)
    original = load_state(file)
    assert all(torch.equal(value, original[name]) for name, value in load_fine(tmp_path / "again").state_dict().items())


def test_blocks_and_rows_are_set_by_fields(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_slowfast_clip")
    fields = ("--set", "block_order=clip,slowfast", "--set", "features=raw")
    result = ctf("weights", "import", file, "--out", tmp_path / "ours", *fields, "--json")
    assert json.loads(result.out)["features"] == ["clip 512", "slowfast 2304"]
    config = json.loads((tmp_path / "ours" / "config.json").read_text())["config"]
    assert (config["feature_names"], config["features"]) == (["clip", "slowfast"], "raw")
    assert_one_line(
        ctf("weights", "import", file, "--out", tmp_path / "b", "--set", "block_ordr=clip"),
        "did you mean 'block_order'",
    )


def test_every_mesm_configuration_is_imported_and_written_back(ctf, pytestconfig, tmp_path):
    for name in list(recorded(pytestconfig, "mesm")["configs"])[1:4:2]:
        file = write_mesm(tmp_path / f"{name}.ckpt", pytestconfig, name)
        result = ctf("weights", "import", file, "--out", tmp_path / name, "--json")
        assert json.loads(result.out)["kind"] == "mesm"
        assert json.loads(result.out)["origin"]["licence"].startswith("code MIT")
        ours = load_fine(tmp_path / name)
        save_checkpoint(ours, tmp_path / "back.ckpt", import_checkpoint(file).unused)
        again = import_checkpoint(tmp_path / "back.ckpt").model
        assert all(torch.equal(again.state_dict()[key], value) for key, value in ours.state_dict().items())


@pytest.fixture(scope="module")
def t_mass_file(pytestconfig, tmp_path_factory):
    return write_t_mass(tmp_path_factory.mktemp("t-mass") / "model_best.pth", t_mass_state(pytestconfig))


def test_a_t_mass_becomes_a_head_and_an_encoder(ctf, t_mass_file, tmp_path):
    result = ctf("weights", "import", t_mass_file, "--out", tmp_path / "ours", "--set", "trials=5")
    assert result.code == 0, result.err
    assert f"--encoder {tmp_path / 'ours' / 'encoder'}" in result.out
    head = load_coarse(tmp_path / "ours")
    assert head.config.trials == 5
    assert (head.config.embed_dim, head.config.num_frames) == (32, 12)
    encoder = load_encoder(tmp_path / "ours" / "encoder")
    assert encoder.embed_dim == 32
    origin = json.loads((tmp_path / "ours" / "config.json").read_text())["origin"]
    assert origin["encoder_fingerprint"] == encoder.fingerprint
    assert "no licence is printed" in origin["licence"]
    beside = json.loads((tmp_path / "ours" / "encoder" / "origin.json").read_text())
    assert beside["source_sha256"] == origin["source_sha256"]


def test_an_exported_t_mass_is_the_released_file_again(ctf, t_mass_file, tmp_path):
    released = torch.load(t_mass_file, weights_only=True)["state_dict"]
    assert ctf("weights", "import", t_mass_file, "--out", tmp_path / "ours").code == 0
    towers = read_weights([tmp_path / "ours" / "encoder" / "model.safetensors"])
    back = export_release(load_coarse(tmp_path / "ours"), towers)
    kept = released.keys() - DROPPED.keys()
    assert kept == back.keys() - DROPPED.keys()
    assert all(torch.equal(back[name], released[name]) for name in kept)
    write_t_mass(tmp_path / "back.pth", back)
    assert ctf("weights", "import", tmp_path / "back.pth", "--out", tmp_path / "again").code == 0
    generator = torch.Generator().manual_seed(0)
    text, frames = torch.randn(3, 32, generator=generator), torch.randn(4, 12, 32, generator=generator)
    first, second = load_coarse(tmp_path / "ours"), load_coarse(tmp_path / "again")
    assert torch.equal(first.score(text, frames, seed=3), second.score(text, frames, seed=3))
    encoders = [load_encoder(tmp_path / name / "encoder") for name in ("ours", "again")]
    assert encoders[0].fingerprint == encoders[1].fingerprint


@pytest.fixture(scope="module")
def hugging_face_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.mark.parametrize("layout", ["hugging face", "openai"])
def test_bare_clip_weights_become_an_encoder(ctf, hugging_face_folder, tmp_path, layout):
    from tests.encoders.test_openai_names import openai_state

    state = load_file(hugging_face_folder / "model.safetensors")
    file = tmp_path / "in" / "pytorch_model.bin"
    file.parent.mkdir()
    torch.save(state if layout == "hugging face" else openai_state(state), file)
    fields = ("--set", "text_heads=4", "--set", "vision_heads=4", "--set", "hidden_act=gelu")
    result = ctf("weights", "import", file, "--out", tmp_path / "clip", *fields)
    assert_one_line(result, "expected 49408", "--tokenizer")
    assert not (tmp_path / "clip").exists()
    result = ctf("weights", "import", file, "--out", tmp_path / "clip", *fields, "--tokenizer", hugging_face_folder)
    assert result.code == 0, result.err
    stored = load_file(tmp_path / "clip" / "model.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in state.items())
    assert load_encoder(tmp_path / "clip").embed_dim == 24


def test_files_beside_clip_weights_are_used(ctf, hugging_face_folder, tmp_path):
    copied = Path(shutil.copytree(hugging_face_folder, tmp_path / "in"))
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    result = ctf("weights", "import", copied / "pytorch_model.bin", "--out", tmp_path / "clip", "--json")
    assert json.loads(result.out)["kind"] == "clip"
    pictures = torch.randint(0, 256, (2, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    expected, found = load_encoder(hugging_face_folder), load_encoder(tmp_path / "clip")
    assert torch.equal(found.encode_images(pictures), expected.encode_images(pictures))


def test_the_wrong_sibling_is_named_with_the_features_that_it_wants(ctf, pytestconfig, t_mass_file, tmp_path):
    slowfast = write_qd_detr(tmp_path / "videoonly.ckpt", pytestconfig, "official_slowfast_clip")
    result = ctf("weights", "import", slowfast, "--as", "mesm", "--out", tmp_path / "a")
    assert_one_line(
        result, "holds a QD-DETR for the features slowfast 2304 + clip 512", "expected MESM", "--as qd-detr"
    )
    result = ctf("weights", "import", t_mass_file, "--as", "clip", "--out", tmp_path / "a")
    assert_one_line(result, "holds a T-MASS, expected CLIP")
    assert not (tmp_path / "a").exists()
    result = ctf("weights", "import", slowfast, "--out", tmp_path / "b")
    assert "not with ctf search" in result.out


def changed(state, **changes):
    return {name: value for name, value in {**state, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool_frames.linear_proj.bias": None}, "missing pool_frames.linear_proj.bias"),
        ({"pool_frames.more.weight": torch.ones(1)}, "unknown pool_frames.more.weight"),
        ({"clip.visual_projection.weight": torch.ones(32, 47)}, "visual_projection.weight has shape (32, 47)"),
        ({"clip.text_model.surprise": torch.ones(1)}, "unknown text_model.surprise"),
        ({"stochastic.std_branch.linear_proj.bias": torch.ones(7)}, "has shape (7,) instead of (32,)"),
    ],
)
def test_tensors_that_do_not_fit_are_one_line_and_leave_nothing(ctf, pytestconfig, tmp_path, changes, message):
    file = write_t_mass(tmp_path / "model_best.pth", changed(t_mass_state(pytestconfig), **changes))
    assert_one_line(ctf("weights", "import", file, "--out", tmp_path / "ours"), message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model_best.pth"]


def test_a_width_that_no_features_have_is_one_line(ctf, pytestconfig, tmp_path):
    state = load_state(write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_clip"))
    state["input_vid_proj.0.LayerNorm.weight"] = torch.zeros(770)
    write_checkpoint(tmp_path / "a.ckpt", state, lighthouse_options())
    assert_one_line(ctf("weights", "import", tmp_path / "a.ckpt", "--out", tmp_path / "b"), "takes 770 channels", "514")


def load_state(file: Path):
    from coarse_to_fine.checkpoint_files import read_checkpoint

    return read_checkpoint(file).state


def test_another_detector_is_not_taken_for_one_of_ours(ctf, tmp_path):
    torch.save(
        {"model": {"input_vid_proj.0.net.1.weight": torch.ones(1), "span_embed.x": torch.ones(1)}}, tmp_path / "m"
    )
    assert_one_line(
        ctf("weights", "import", tmp_path / "m", "--out", tmp_path / "b"),
        "another moment detector than those known here",
        "T-MASS, QD-DETR, MESM, CLIP",
    )


class Bomb:
    """Creates a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("verb", ["import", "show"])
@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_pickle_with_a_side_effect_is_refused_and_does_nothing(ctf, tmp_path, verb, form):
    file, target = tmp_path / "model_best.ckpt", tmp_path / "side-effect"
    document = {"model": {"a": torch.zeros(1)}, "opt": Bomb(target)}
    if form == "torch":
        torch.save(document, file)
    else:
        file.write_bytes(pickle.dumps(document))
    out = ("--out", tmp_path / "ours") if verb == "import" else ()
    assert_one_line(ctf("weights", verb, file, *out), "not safe to read")
    assert not target.exists()
    assert not (tmp_path / "ours").exists()


def test_a_file_of_another_hash_is_refused_with_both(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_clip")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    result = ctf("weights", "import", file, "--out", tmp_path / "b", "--sha256", "0" * 64)
    assert_one_line(result, f"expected sha256 {'0' * 64}, got {digest}")
    assert ctf("weights", "import", file, "--out", tmp_path / "b", "--sha256", digest.upper()).code == 0


def test_the_hash_is_looked_at_before_what_is_in_the_file(ctf, tmp_path):
    (tmp_path / "a.ckpt").write_text("half a download")
    digest = hashlib.sha256(b"half a download").hexdigest()
    result = ctf("weights", "import", tmp_path / "a.ckpt", "--out", tmp_path / "b", "--sha256", "0" * 64)
    assert_one_line(result, f"expected sha256 {'0' * 64}, got {digest}")


def test_a_file_of_text_is_no_checkpoint(ctf, tmp_path):
    (tmp_path / "sentences.txt").write_text("a dog jumps\n")
    for verb in (("show",), ("import", "--out", tmp_path / "b")):
        result = ctf("weights", verb[0], tmp_path / "sentences.txt", *verb[1:])
        assert_one_line(result, "is no checkpoint, it begins with b'a dog jumps", "torch.save")


def test_who_trained_a_checkpoint_is_asked_for_as_the_command_takes_it(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_clip")
    torch.save(load_state(file), tmp_path / "bare.ckpt")
    result = ctf("weights", "import", tmp_path / "bare.ckpt", "--out", tmp_path / "b")
    assert_one_line(result, "say it by `--set origin=official`")
    fields = ("--set", "origin=official")
    assert ctf("weights", "import", tmp_path / "bare.ckpt", "--out", tmp_path / "b", *fields).code == 0


def test_what_is_ours_already_is_said_with_its_use(ctf, pytestconfig, hugging_face_folder, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_clip")
    model, out = tmp_path / "run" / "model", ("--out", tmp_path / "b")
    ctf("weights", "import", file, "--out", model)
    shutil.copy(model / "model.safetensors", tmp_path / "run" / "best.safetensors")
    for own in (model, tmp_path / "run", tmp_path / "run" / "best.safetensors", model / "model.safetensors"):
        assert_one_line(ctf("weights", "import", own, *out), "qd-detr model of this package already", f"--fine {model}")
    assert_one_line(
        ctf("weights", "import", hugging_face_folder, *out), f"use it as it is: --encoder {hugging_face_folder}"
    )
    assert_one_line(ctf("weights", "import", tmp_path, *out), "is a folder, expected a checkpoint file")
    assert_one_line(ctf("weights", "show", tmp_path / "run"), f"did you mean '{model}'?")


def test_a_folder_with_something_in_it_is_left_alone(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_clip")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    assert_one_line(ctf("weights", "import", file, "--out", tmp_path / "mine"), "not empty", "another --out")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_missing_file_is_one_line(ctf, tmp_path):
    assert_one_line(ctf("weights", "import", tmp_path / "none.ckpt", "--out", tmp_path / "b"), "no file")
    assert_one_line(ctf("weights", "show", tmp_path / "none.ckpt"), "nothing at")


def test_show_tells_what_a_file_and_a_folder_hold(ctf, pytestconfig, tmp_path):
    file = write_qd_detr(tmp_path / "a.ckpt", pytestconfig, "official_slowfast_clip")
    about = json.loads(ctf("weights", "show", file, "--json").out)
    assert (about["kind"], about["features"], about["epoch"]) == ("qd-detr", ["slowfast 2304", "clip 512"], 3)
    assert (about["parameters"], about["options"]["nheads"]) == (7585573, 8)
    ctf("weights", "import", file, "--out", tmp_path / "ours")
    about = json.loads(ctf("weights", "show", tmp_path / "ours", "--json").out)
    assert about["config"]["video_feature_dims"] == [2304, 512]
    assert about["origin"]["source_file"] == "a.ckpt"
    assert about["parameters"] == 7585573
    text = ctf("weights", "show", tmp_path / "ours").out
    assert "holds: qd-detr model" in text
    assert "source_file: a.ckpt" in text


def test_show_tells_what_an_encoder_folder_holds(ctf, hugging_face_folder):
    about = json.loads(ctf("weights", "show", hugging_face_folder, "--json").out)
    assert about["holds"] == "CLIP encoder"
    assert about["config"]["projection_dim"] == 24
    assert about["fingerprint"] == load_encoder(hugging_face_folder).fingerprint


def test_the_fingerprint_of_the_rule_for_pictures_is_printed_and_follows_the_rule(ctf, hugging_face_folder, tmp_path):
    other = Path(shutil.copytree(hugging_face_folder, tmp_path / "other"))
    rule = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps({**rule, "resample": 2}))
    abouts = [json.loads(ctf("weights", "show", folder, "--json").out) for folder in (hugging_face_folder, other)]
    assert [about["pictures"]["resample"] for about in abouts] == [3, 2]
    assert abouts[0]["pictures_fingerprint"] != abouts[1]["pictures_fingerprint"]
    assert abouts[0]["sha256"] == abouts[1]["sha256"]
    assert f"pictures_fingerprint: {abouts[1]['pictures_fingerprint']}" in ctf("weights", "show", other).out


def test_the_list_has_where_licence_and_offline_path_for_every_entry(ctf):
    entries = json.loads(ctf("weights", "list", "--json").out)
    assert {"tiny-world", "clip-vit-b-32", "qd-detr-lighthouse-clip", "t-mass-vit-b-32", "mesm"} <= {
        entry["name"] for entry in entries
    }
    for entry in entries:
        assert entry["file"] and entry["where"] and entry["licence"] and entry["offline"], entry["name"]
        assert {"bytes", "sha256", "mirror"} <= entry.keys()
        assert entry["sha256"] is None or len(entry["sha256"]) == 64
        assert not entry["bundled"] or (entry["bytes"] and entry["sha256"])
    kinds = {entry["name"]: entry["kind"] for entry in entries if entry["bundled"]}
    assert kinds == {"tiny-world": "encoder", "t-mass-world": "coarse", "mesm-world": "fine", "qd-detr-world": "fine"}
    text = ctf("weights", "list").out
    assert "clip_slowfast_qd_detr_qvhighlight.ckpt" in text
    assert "Zenodo record 13960580" in text
    assert "not printed by its publisher" in text
    assert "beside each file at https://huggingface.co/openai/clip-vit-base-patch32/tree/main" in text
    assert "--sha256 HEX" in text and "ctf weights show FILE" in text


def test_pull_without_a_network_says_how_to_place_the_files(ctf, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = ctf("weights", "pull", "clip-vit-b-32")
    assert_one_line(result, "openai/clip-vit-base-patch32", "copy config.json", "into a folder", "licence")
    assert "was not fetched: HF_HUB_OFFLINE is set; expected" in result.err and "ctf weights" not in result.err


def test_pull_finds_a_model_that_is_in_the_cache(ctf, hugging_face_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--someone--clip"
    shutil.copytree(hugging_face_folder, model / "snapshots" / ("0" * 40))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0" * 40)
    pulled = json.loads(ctf("weights", "pull", "someone/clip", "--json").out)
    hashes = {file["file"]: file["sha256"] for file in pulled["files"]}
    assert {"config.json", "model.safetensors"} <= hashes.keys()
    assert ctf("weights", "pull", "someone/clip", "--sha256", hashes["model.safetensors"].upper()).code == 0
    wrong = ctf("weights", "pull", "someone/clip", "--sha256", "0" * 64)
    assert_one_line(wrong, f"expected weights of sha256 {'0' * 64}, got {hashes['model.safetensors']}")


def test_pull_of_what_no_hub_has_says_where_it_is(ctf):
    assert_one_line(ctf("weights", "pull", "qd-detr-lighthouse-clip"), "Zenodo record 13960580", "ctf weights import")
    assert_one_line(ctf("weights", "pull", "tiny-world"), "comes with the package")
    assert_one_line(ctf("weights", "pull", "clip-vit"), "no weights named 'clip-vit'")


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "patch"), [("ViT-B/32", 32), ("ViT-B/16", 16)])
def test_a_t_mass_of_full_size_is_imported(ctf, pytestconfig, tmp_path, backbone, patch):
    shapes = recorded(pytestconfig, "t_mass").get("state_dict", {}).get(backbone)
    if shapes is None:
        pytest.skip("no recorded towers")
    state = {name: torch.full(shape, 0.01, dtype=torch.float16) for name, shape in shapes.items()}
    result = ctf("weights", "import", write_t_mass(tmp_path / "model_best.pth", state), "--out", tmp_path / "ours")
    assert result.code == 0, result.err
    about = json.loads(ctf("weights", "show", tmp_path / "ours" / "encoder", "--json").out)
    assert about["config"]["vision_config"]["patch_size"] == patch
    assert about["config"]["vision_config"]["image_size"] == 224
    assert about["config"]["text_config"]["num_attention_heads"] == 8
    assert about["config"]["vision_config"]["num_attention_heads"] == 12
    assert about["config"]["projection_dim"] == 512


DOCS = Path(__file__).parents[2] / "docs"


def documented(page: str) -> list[list[str]]:
    """The commands of a page, cut into words; comments and prompts left out."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    found = [line.removeprefix("$ ").strip() for line in lines if line.removeprefix("$ ").startswith("ctf ")]
    return [shlex.split(line, comments=True)[1:] for line in found]


@pytest.mark.parametrize("page", ["weights.md", "own_videos.md"])
def test_documented_commands_exist_with_their_options(page):
    commands = documented(page)
    assert len(commands) >= 4
    for words in commands:
        command = whole_command()
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_every_field_of_an_import_is_documented():
    text = (DOCS / "weights.md").read_text(encoding="utf-8")
    for settings in SETTINGS.values():
        for name in settings.model_fields:
            assert f"`{name}`" in text, name
