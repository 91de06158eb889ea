"""The encoder of a library: what is stored of it, and itself once it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coarse_to_fine.encoders.base import ImageTextEncoder, require_encoder
from coarse_to_fine.encoders.precision import Precision, require_precision
from coarse_to_fine.errors import FingerprintError, WeightsError

STORED_PRECISION: Precision = "fp32"
"""Of libraries that were made before it was stored, and of encoders that state none."""

Given = str | Path | ImageTextEncoder
"""An encoder as a caller gives it: by name or folder, or as an object."""


class OwnEncoder:
    """The one encoder that makes a library's features, loaded on first use.

    Attributes:
        name, fingerprint, precision: as stored.
        given: what the user opened the library with: None, the stored name, or what stands for it now.
        device: where it computes: `auto`, `cpu`, `cuda`, ...
    """

    def __init__(self, meta: Mapping[str, str], library: Path, given: Given | None, device: str) -> None:
        """One that is given and not the stored name is checked at once.

        Args:
            meta: of the library, as stored.
            library: its folder, for messages.
            given: None: the stored one.
            device: where it computes.

        Raises:
            FingerprintError: it is not the one that made the features.
        """
        self.name = meta["encoder"]
        self.fingerprint = meta["encoder_fingerprint"]
        self.precision: Precision = require_precision(meta.get("precision", STORED_PRECISION))
        self.given = str(given) if isinstance(given, Path) else given
        self.device = device
        self._library = library
        self._tower: ImageTextEncoder | None = None
        if self.given is not None and self.given != self.name:
            self.loaded()

    def loaded(self) -> ImageTextEncoder:
        """The encoder itself.

        Raises:
            FingerprintError: it is not the one that made the features.
            WeightsError: it is not to be had on this machine.
        """
        if self._tower is None:
            self._tower = self._load()
        return self._tower

    def new_place(self) -> str | None:
        """The name that now stands for the stored one, if that one's folder was moved and the new one is loaded."""
        return stored_name(self._tower.name) if self._tower is not None and is_gone(self.name) else None

    def _load(self) -> ImageTextEncoder:
        wanted = self.given if self.given is not None else self.name
        if wanted == self.name:
            require_present(self.name, self._library)
            require_findable(self.name, self._library)
        tower = given_tower(wanted, self.device, self.precision)
        if tower.fingerprint != self.fingerprint:
            raise FingerprintError(
                f"{self._library} was made by encoder {self.name!r} (fingerprint {self.fingerprint[:12]}), not by "
                f"{tower.name!r} ({tower.fingerprint[:12]}); expected the same one; open the library with its own "
                f"encoder, or index the videos again: `ctf index VIDEOS --library NEW_FOLDER --encoder {tower.name}`"
            )
        return tower


def stored_name(name: str) -> str:
    """The name of an encoder so that it means the same from everywhere: a folder by its absolute path."""
    from coarse_to_fine.encoders.load import BUNDLED

    folder = Path(name).expanduser()
    return str(folder.absolute()) if name not in BUNDLED and folder.is_dir() else name


def is_gone(encoder: str) -> bool:
    """Whether a stored name is that of a folder which is not there any more."""
    return Path(encoder).is_absolute() and not Path(encoder).is_dir()


def require_present(encoder: str, library: Path) -> None:
    """Raise if the folder of a library's encoder is gone.

    Raises:
        WeightsError: it is, with the way to say where it lies now.
    """
    if is_gone(encoder):
        raise WeightsError(
            f"{library} was made by the encoder in {encoder}, which is not there; expected its folder; put it back, or "
            f"say once where it is now: ctf index VIDEOS --library {library} --encoder NEW_PLACE"
        )


def require_findable(encoder: str, library: Path) -> None:
    """Raise if no encoder has a library's stored name: it was given as an object.

    Raises:
        WeightsError: it was, with the way to give it again.
    """
    from coarse_to_fine.encoders.load import BUNDLED, hub_address

    if encoder not in BUNDLED and not Path(encoder).is_dir() and hub_address(encoder) is None:
        raise WeightsError(
            f"{library} was made by the encoder object {encoder!r}, which no name stands for; expected the object; in "
            f"Python give it again: Pipeline.load(Library.open({str(library)!r}, encoder=OBJECT)); `ctf` knows "
            "encoders by name or folder alone"
        )


def require_same_precision(wanted: Precision | None, stored: Precision, folder: Path) -> None:
    """Raise unless a library holds features of the wanted precision; None takes any.

    Raises:
        FingerprintError: it does not.
    """
    if wanted not in (None, stored):
        raise FingerprintError(
            f"{folder} was made in precision {stored}, not {wanted}; expected the same, since features differ; leave "
            f"--precision out, or index the videos again: `ctf index VIDEOS --library NEW_FOLDER --precision {wanted}`"
        )


def given_tower(given: Given, device: str, precision: Precision) -> ImageTextEncoder:
    """An encoder that is given, or the one of a name or folder.

    Raises:
        UserError: neither of these.
        WeightsError: it is not to be had on this machine.
    """
    if isinstance(given, str | Path):
        return load_tower(str(given), device, precision)
    require_encoder(given)
    return given


def load_tower(name: str, device: str, precision: Precision = STORED_PRECISION) -> ImageTextEncoder:
    """Load an encoder by name.

    Raises:
        WeightsError: it is not to be had on this machine.
    """
    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.encoders.load import load_encoder

    return load_encoder(name, resolve_device(device), precision=precision)
