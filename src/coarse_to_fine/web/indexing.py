"""Adding a folder to the library while the page is served."""

from __future__ import annotations

import threading
from pathlib import Path

from coarse_to_fine.errors import CtfError, UserError
from coarse_to_fine.library import Library
from coarse_to_fine.web.models import IndexingState


class Indexer:
    """Runs one indexing at a time in a thread of its own, with its own view of the library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._state = IndexingState(running=False)

    @property
    def state(self) -> IndexingState:
        with self._lock:
            return self._state.model_copy()

    def start(self, path: str) -> None:
        """Begin; progress is in `state`.

        Raises:
            UserError: no such file or folder, or a run is going on.
        """
        if not Path(path).expanduser().exists():
            raise UserError(f"no file or folder {path!r} on the server; expected an existing path; check it")
        with self._lock:
            if self._state.running:
                raise UserError("an indexing run is going on; wait until it is done")
            self._state = IndexingState(running=True)
        threading.Thread(target=self._run, args=(Path(path).expanduser(),), daemon=True).start()

    def _run(self, path: Path) -> None:
        try:
            with Library.open(self._library.path, self._library.encoder) as writer:
                report = writer.add(path, progress=self._progress)
            failed = [tuple(note) for note in (*report.failed, *report.failed_before)]
            self._update(running=False, added=len(report.added), failed=failed)
        except CtfError as error:
            self._update(running=False, error=str(error))
        except Exception as error:
            self._update(running=False, error=f"unexpected {type(error).__name__}: {error}")
            raise

    def _progress(self, done: int, total: int, item: str) -> None:
        self._update(done=done, total=total, item=Path(item).name)

    def _update(self, **changes: object) -> None:
        with self._lock:
            self._state = self._state.model_copy(update=changes)
