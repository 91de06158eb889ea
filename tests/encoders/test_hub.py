"""Fetching from a model hub: only when asked to, at a pinned revision, and never when offline."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from coarse_to_fine.encoders import load_encoder
from coarse_to_fine.encoders.load import ALIASES, encoder_folder, hub_address
from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.foreign_weights.pulling import pull_encoder
from tests.encoders.hub import Hub, serving

OLD, NEW = "a" * 40, "b" * 40
NAME = "someone/clip"


@pytest.fixture
def hub(hugging_face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with two commits of a model whose weights differ; the local cache is empty."""
    old = Path(shutil.copytree(hugging_face_folder, tmp_path / "old"))
    new = Path(shutil.copytree(hugging_face_folder, tmp_path / "new"))
    weights = load_file(new / "model.safetensors")
    save_file(weights | {"logit_scale": weights["logit_scale"] + 1}, new / "model.safetensors")
    served = Hub(NAME, {OLD: old, NEW: new}, {"main": NEW})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)  # the hub is on this machine
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving(served) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield served


def fingerprint(folder: Path) -> str:
    return load_encoder(folder).fingerprint


def test_a_revision_is_pulled_and_found_again_without_the_hub(hub: Hub) -> None:
    folder, files = pull_encoder(f"{NAME}@{OLD}")
    assert fingerprint(folder) == fingerprint(hub.commits[OLD])
    assert "model.safetensors" in {file["file"] for file in files}
    asked = len(hub.asked)
    assert load_encoder(f"{NAME}@{OLD}").fingerprint == fingerprint(hub.commits[OLD])
    assert len(hub.asked) == asked
    with pytest.raises(WeightsError, match="not on this machine; expected the model someone/clip of"):
        load_encoder(NAME)


def test_without_a_revision_the_newest_is_pulled(hub: Hub) -> None:
    folder, _ = pull_encoder(NAME)
    assert fingerprint(folder) == fingerprint(hub.commits[NEW]) != fingerprint(hub.commits[OLD])
    assert load_encoder(f"{NAME}@main").fingerprint == fingerprint(hub.commits[NEW])


def test_an_unknown_revision_is_one_line(hub: Hub) -> None:
    with pytest.raises(WeightsError, match=f"expected the model {NAME} at {'c' * 40} of the Hugging Face hub") as error:
        pull_encoder(f"{NAME}@{'c' * 40}")
    assert "\n" not in str(error.value)


def test_nothing_is_asked_for_without_leave(hub: Hub) -> None:
    with pytest.raises(WeightsError, match=rf"at {OLD} of .* `ctf weights pull {NAME}@{OLD}`"):
        load_encoder(f"{NAME}@{OLD}")
    assert hub.asked == []


def test_offline_only_the_local_copy_is_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pull_encoder(f"{NAME}@{OLD}")
    asked = len(hub.asked)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fingerprint(encoder_folder(f"{NAME}@{OLD}", allow_download=True)) == fingerprint(hub.commits[OLD])
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        encoder_folder(f"{NAME}@{NEW}", allow_download=True)
    assert len(hub.asked) == asked


def test_names_with_revisions_are_told_from_paths() -> None:
    assert hub_address("clip-vit-b-32") == (ALIASES["clip-vit-b-32"], None)
    assert hub_address("clip-vit-b-32@v1") == (ALIASES["clip-vit-b-32"], "v1")
    assert hub_address("owner/model@abc") == ("owner/model", "abc")
    for name in ("nothing", "nothing@v1", "owner/model@", "./here/model@x", "/a@b", "a/b/c@d"):
        assert hub_address(name) is None
    with pytest.raises(UserError, match="is not on the model hub"):
        pull_encoder("tiny-world")


def test_a_folder_may_have_an_at_sign(hugging_face_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hugging_face_folder, tmp_path / "clip@home"))
    assert load_encoder(str(folder)).fingerprint == fingerprint(hugging_face_folder)
