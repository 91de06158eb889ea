"""The weights that `ctf weights list` names: those in the package, and those that others published.

Sizes and hashes are those that their publishers print, or that were computed from files at hand; nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from coarse_to_fine.coarse_grained.load import COARSE_MODELS
from coarse_to_fine.encoders.load import ALIASES, files_of
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained.load import FINE_MODELS
from coarse_to_fine.foreign_weights.recognise import Kind
from coarse_to_fine.spelling import did_you_mean

NOT_PUBLISHED = "not printed by its publisher"
OPENAI_LICENCE = "code MIT (OpenAI); no separate licence of the weights is printed"
LICENCES: dict[tuple[Kind, str], str] = {
    ("t-mass", "official"): "no licence is printed with the release; ask its authors before passing the weights on",
    ("qd-detr", "official"): "code MIT; no separate licence of the weights is printed",
    ("qd-detr", "lighthouse"): (
        "code Apache 2.0; the licence of the weights is not in its README, read it on the Zenodo record"
    ),
    ("mesm", "official"): "code MIT; no separate licence of the weights is printed",
}
"""What the publishers print, by model and by who trained it."""


@dataclass(frozen=True)
class PublishedWeights:
    """One entry of the list.

    Attributes:
        name: by which the list, and `pull` for encoders, call it.
        kind: `encoder`, `coarse` or `fine`.
        file: name of the file or files, as published.
        where: where to get it.
        licence: as printed by the publisher.
        offline: how to use it on a machine without a network, from a copied file.
        bytes: size; None where its publisher does not print it.
        sha256: None where its publisher does not print it.
        mirror: another place; None where none is known.
        hub_name: of what `ctf weights pull` can fetch.
        bundled: whether it comes with the package.
    """

    name: str
    kind: str
    file: str
    where: str
    licence: str
    offline: str
    bytes: int | None = None
    sha256: str | None = None
    mirror: str | None = None
    hub_name: str | None = None
    bundled: bool = False


def licence_of(kind: Kind, trained_by: str) -> str:
    """The licence note that is kept beside imported weights."""
    return LICENCES.get((kind, trained_by), "not known; read the terms of whoever published the file")


def all_weights() -> list[PublishedWeights]:
    """Bundled weights, then published encoders, then published models of both stages."""
    return [*bundled(), *_encoders(), *_originals(), *_models()]


def find(name: str) -> PublishedWeights:
    """The entry of a name.

    Raises:
        UserError: no such entry; the message lists the names.
    """
    entries = {entry.name: entry for entry in all_weights()}
    if name not in entries:
        step = did_you_mean(name, entries) or "see `ctf weights list`"
        raise UserError(f"no weights named {name!r}; expected one of {', '.join(entries)}; {step}")
    return entries[name]


def bundled() -> list[PublishedWeights]:
    """What lies in this package, with sizes and hashes of the files themselves."""
    root = Path(str(resources.files("coarse_to_fine") / "bundled"))
    entries = []
    for weights in sorted(root.glob("*/model.safetensors")):
        name = weights.parent.name
        content = weights.read_bytes()
        entries.append(
            PublishedWeights(
                name=name,
                kind=_kind(weights.parent),
                file=weights.name,
                where="in this package",
                licence="as this package",
                offline="nothing to do",
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                bundled=True,
            )
        )
    return entries


def _kind(folder: Path) -> str:
    """Of a bundled folder, from the model that its config names; those of encoders name none of ours."""
    model = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model")
    return "coarse" if model in COARSE_MODELS else "fine" if model in FINE_MODELS else "encoder"


def _encoders() -> list[PublishedWeights]:
    return [
        PublishedWeights(
            name=name,
            kind="encoder",
            file=files_of(hub_name),
            where=f"Hugging Face hub, {hub_name}; `ctf weights pull {name}`",
            licence=OPENAI_LICENCE if hub_name.startswith("openai/") else "see its card on the hub",
            offline="copy the files into a folder and give it as --encoder DIR",
            mirror="OpenAI's own file, below" if hub_name.startswith("openai/") else None,
            hub_name=hub_name,
        )
        for name, hub_name in ALIASES.items()
    ]


OPENAI_FILES = {
    "ViT-B-32.pt": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B-16.pt": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-L-14.pt": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
}
"""SHA-256 of OpenAI's files; they are part of their addresses in `clip/clip.py`."""


def _originals() -> list[PublishedWeights]:
    return [
        PublishedWeights(
            name=f"openai-{file.removesuffix('.pt').lower()}",
            kind="encoder",
            file=file,
            where="the address in clip/clip.py of OpenAI's CLIP",
            licence=OPENAI_LICENCE,
            offline="a TorchScript program: write its tensors once where you trust it, see docs/weights.md, then "
            "`ctf weights import clip.pt --out DIR`",
            sha256=digest,
        )
        for file, digest in OPENAI_FILES.items()
    ]


def _models() -> list[PublishedWeights]:
    return [
        _t_mass("t-mass-vit-b-32"),
        _t_mass("t-mass-vit-b-16"),
        _qd_detr("clip", "model_best.ckpt", "run_on_video/qd_detr_ckpt of the official QD-DETR repository"),
        _qd_detr("slowfast-clip", "videoonly.ckpt", "a Dropbox link in the README of the official QD-DETR repository"),
        _qd_detr("audio", "videoaudio.ckpt", "a Dropbox link in the README of the official QD-DETR repository"),
        _lighthouse("clip"),
        _lighthouse("clip_slowfast"),
        _lighthouse("clip_slowfast_pann"),
        PublishedWeights(
            name="mesm",
            kind="fine",
            file="model_{split}_best.ckpt",
            where="links in the README of the MESM repository, one a configuration",
            licence=LICENCES["mesm", "official"],
            offline="`ctf weights import FILE --out DIR`",
        ),
    ]


def _t_mass(name: str) -> PublishedWeights:
    return PublishedWeights(
        name=name,
        kind="coarse",
        file="model_best.pth",
        where="the README of the T-MASS repository",
        licence=LICENCES["t-mass", "official"],
        offline="`ctf weights import model_best.pth --out DIR`, then --encoder DIR/encoder and --coarse DIR",
    )


def _qd_detr(features: str, file: str, where: str) -> PublishedWeights:
    return PublishedWeights(
        name=f"qd-detr-official-{features}",
        kind="fine",
        file=file,
        where=where,
        licence=LICENCES["qd-detr", "official"],
        offline=f"`ctf weights import {file} --out DIR`",
    )


def _lighthouse(features: str) -> PublishedWeights:
    file = f"{features}_qd_detr_qvhighlight.ckpt"
    return PublishedWeights(
        name=f"qd-detr-lighthouse-{features.replace('_', '-')}",
        kind="fine",
        file=file,
        where="Zenodo record 13960580",
        licence=LICENCES["qd-detr", "lighthouse"],
        offline=f"`ctf weights import {file} --out DIR`",
        mirror="the older Zenodo record 13363606",
    )
