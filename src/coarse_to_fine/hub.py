"""Stage models in the layout of a model hub: `config.json`, `model.safetensors` and a card, by folder or by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coarse_to_fine import __version__
from coarse_to_fine.arguments import require_path
from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.hub_errors import reason_of
from coarse_to_fine.model_folders import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    Model,
    StoredModel,
    build,
    read_document,
    require_config,
    save_model,
)
from coarse_to_fine.wording import counted

CARD_FILE = "README.md"


def from_pretrained(
    model_class: type[Model],
    name_or_folder: str | Path,
    *,
    allow_download: bool = False,
    cache_dir: str | Path | None = None,
) -> Model:
    """A model in eval mode on the CPU.

    Args:
        model_class: the class that the folder must hold, such as `QdDetr`.
        name_or_folder: a folder, or a hub name `owner/model` whose files are on this machine.
        allow_download: fetch a hub model that is not on this machine; otherwise only its local copy is used.
        cache_dir: where local copies lie; None: the hub's own place.

    Raises:
        WeightsError: no such folder or local copy, or it holds another model.
    """
    require_path(name_or_folder, "the name or folder", "give one as text")
    folder = Path(name_or_folder).expanduser()
    if not folder.is_dir():
        folder = _local_copy(str(name_or_folder), allow_download, cache_dir)
    document = read_document(folder)
    if document["model"] != model_class.name:
        raise WeightsError(
            f"{name_or_folder} holds a {document['model']} model, expected {model_class.name}; use the class of that "
            "model, or another folder"
        )
    return build(model_class, document, folder)


def save_pretrained(model: StoredModel, folder: str | Path, *, half: bool = False) -> Path:
    """Write `model.safetensors`, `README.md` and, last, `config.json`; a card that is there already stays.

    Args:
        model: any model of either stage.
        folder: made where absent.
        half: store float16.

    Raises:
        UserError: the folder is no path, or the model has no configuration.
    """
    require_path(folder, "the folder")
    require_config(model)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CARD_FILE).exists():
        write_text_atomically(folder / CARD_FILE, model_card(model))
    save_model(model, folder, half, model.origin)
    return folder


def model_card(model: StoredModel) -> str:
    """A card that says what the model is and where it comes from, as far as the model knows; the rest is left open."""
    parameters = sum(value.numel() for value in model.parameters())
    settings = json.dumps(model.config.model_dump(mode="json"), indent=1)
    return f"""---
library_name: coarse-to-fine
tags: [{model.name}, video-moment-retrieval, text-video-retrieval]
---

# {model.name}

A {model.name} model of coarse-to-fine {__version__}: {parameters} parameters.

- Features: {_encoder(model)}
- Training: {_training(model)}
- Results: not stated; measure it with `ctf evaluate` and write split, number of queries and command here.
- Licence of these weights: not stated; write it here before you publish them.

```python
from {type(model).__module__} import {type(model).__name__}

model = {type(model).__name__}.from_pretrained("this folder")
```

Architecture (`{CONFIG_FILE}`; weights in `{WEIGHTS_FILE}`):

```json
{settings}
```
"""


def _encoder(model: StoredModel) -> str:
    encoder: Any = model.origin.get("encoder")
    if not isinstance(encoder, dict) or "name" not in encoder:
        return "of the encoder that it was trained with; the model does not say which"
    return f"of the encoder {encoder['name']}, fingerprint {encoder.get('fingerprint', 'unknown')}; of no other one"


def _training(model: StoredModel) -> str:
    run: Any = model.origin.get("run")
    if isinstance(run, dict):
        epochs = counted(run.get("epochs", 0), "epoch")
        return f"{epochs}, batches of {run.get('batch_size')}, seed {run.get('seed')}; all in `origin`"
    return "; ".join(f"{name} {value}" for name, value in model.origin.items()) or "none, or not recorded"


def _local_copy(name: str, allow_download: bool, cache_dir: str | Path | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise WeightsError(
            f"no folder {name}, expected one with {CONFIG_FILE} and {WEIGHTS_FILE}, or a hub name `owner/model`; "
            "check the path"
        )
    try:
        files = [CONFIG_FILE, WEIGHTS_FILE, CARD_FILE]
        return Path(
            snapshot_download(name, allow_patterns=files, local_files_only=not allow_download, cache_dir=cache_dir)
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        got, step = f"{name} is not on this machine", "pass allow_download=True where there is a network"
        if allow_download:
            got, step = f"{name} was not fetched: {reason_of(error)}", "check name and network"
        raise WeightsError(f"{got}; expected a local copy of the hub's model; {step}, or give a folder") from None
