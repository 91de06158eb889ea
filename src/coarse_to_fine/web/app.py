"""The application: JSON API, videos by byte ranges, one static page."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from coarse_to_fine import __version__
from coarse_to_fine.errors import UserError
from coarse_to_fine.hits.files import require_file
from coarse_to_fine.library import StoredVideo
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.main_pipeline import Query as Asked
from coarse_to_fine.types import MomentHit
from coarse_to_fine.web.indexing import Indexer
from coarse_to_fine.web.media import MEDIA_TYPES, Media, first_frame_s, is_playable
from coarse_to_fine.web.models import (
    Hit,
    IndexingState,
    IndexRequest,
    LibraryResponse,
    MomentsResponse,
    SearchResponse,
    Window,
)
from coarse_to_fine.web.refusals import add_refusals
from coarse_to_fine.web.security import Guard
from coarse_to_fine.web.stages import Stages

PAGE = Path(__file__).parent / "page"
LONGEST_SENTENCE = 2000
MOST_HITS = 100
MOST_VIDEOS = 100
WAITING_SEARCHES = 64

ModelName = Annotated[str | None, Query(max_length=100, description="a name of /api/library; none: as served")]
StartSeconds = Annotated[float, Query(ge=0, description="seconds from the first frame")]
EndSeconds = Annotated[float, Query(gt=0, description="seconds from the first frame")]
Sentence = Annotated[str, Query(max_length=LONGEST_SENTENCE, description="what to look for")]


def create_app(pipeline: Pipeline, *, hosts: frozenset[str] | None = frozenset(), token: str | None = None) -> FastAPI:
    """The web application of a pipeline.

    Args:
        pipeline: searched; its library is served by video id.
        hosts: names besides loopback ones that the server may be called by; None: any.
        token: needed by every request if given.
    """
    media, indexer, searches = Media(), Indexer(pipeline.library), _Turns(WAITING_SEARCHES)
    stages = Stages(pipeline)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        media.close()

    app = FastAPI(title="coarse-to-fine", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, hosts=hosts, token=token)
    add_refusals(app)
    _add_search(app, stages, searches)
    _add_library(app, stages, indexer)
    _add_media(app, pipeline, media)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return app


class _Turns:
    """One search at a time; whoever would have to wait behind too many others is told to come back."""

    def __init__(self, most: int) -> None:
        self._lock, self._places = threading.Lock(), threading.BoundedSemaphore(most)

    @contextmanager
    def turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise HTTPException(503, "too many searches at once; try again in a moment")
        try:
            with self._lock:
                yield
        finally:
            self._places.release()


def _add_search(app: FastAPI, stages: Stages, searches: _Turns) -> None:
    @app.get("/api/search")
    def search(
        q: Sentence,
        m: Annotated[str | None, Query(max_length=LONGEST_SENTENCE, description="a finer sentence")] = None,
        k: Annotated[int, Query(ge=1, le=MOST_HITS, description="number of moments")] = 12,
        videos: Annotated[int, Query(ge=1, le=MOST_VIDEOS, description="videos that the fine stage sees")] = 10,
        coarse: ModelName = None,
        fine: ModelName = None,
    ) -> SearchResponse:
        """Moments for a sentence, best first."""
        started = time.perf_counter()
        moment = m if m and m.strip() else None
        asked = Asked(q, moment)
        asked.check()
        with searches.turn():
            pipeline = stages.pipeline(coarse, fine)
            hits = pipeline.search(asked, top_videos=videos, top_moments=k)
            notes = pipeline.notes(q, moment)
        stored = {hit.video_id: pipeline.library.video(hit.video_id) for hit in hits}
        timing = {"search": (time.perf_counter() - started) * 1e3}
        found = [_hit(hit, stored[hit.video_id]) for hit in hits]
        return SearchResponse(query=q, moment=moment, hits=found, timing_ms=timing, notes=notes)

    @app.get("/api/videos/{video_id}/moments")
    def moments(video_id: str, q: Sentence, fine: ModelName = None) -> MomentsResponse:
        """All moments of one video and its saliency curve."""
        video, query = _video(stages.pipeline(), video_id), Asked(q)
        query.check()
        with searches.turn():
            pipeline = stages.pipeline(fine=fine)
            found = pipeline.moments(query, video_id)
        return MomentsResponse(
            video_id=video_id,
            duration_s=video.duration_s,
            clip_seconds=found.clip_seconds,
            saliency=[round(value, 4) for value in found.saliency.tolist()],
            saliency_normalised=[round(value, 4) for value in _normalised(found.saliency.tolist())],
            windows=[Window(start_s=hit.start_s, end_s=hit.end_s, score=hit.score) for hit in found.hits],
        )


def _add_library(app: FastAPI, stages: Stages, indexer: Indexer) -> None:
    @app.get("/api/library")
    def library() -> LibraryResponse:
        """The library in numbers, and how far an indexing run is."""
        pipeline = stages.pipeline()
        info = pipeline.library.info()
        return LibraryResponse(
            videos=info.videos,
            duration_s=info.duration_s,
            encoder=info.encoder,
            warning=pipeline.library.encoder.warning,
            coarse=pipeline.coarse_name,
            fine=pipeline.fine_name,
            coarse_models=stages.coarse,
            fine_models=stages.fine,
            indexing=indexer.state,
        )

    @app.post("/api/index", status_code=202)
    def index(request: IndexRequest) -> IndexingState:
        """Add a file or folder on the server; progress comes with /api/library."""
        indexer.start(request.path)
        return indexer.state


def _add_media(app: FastAPI, pipeline: Pipeline, media: Media) -> None:
    @app.head("/media/{video_id}", include_in_schema=False)
    @app.get("/media/{video_id}", response_class=FileResponse)
    def file(video_id: str) -> FileResponse:
        """The video file, by byte ranges."""
        path = Path(_video(pipeline, video_id).path)
        require_file(path)
        return FileResponse(path, media_type=MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream"))

    @app.get("/thumbnails/{video_id}", response_class=Response)
    def thumbnail(video_id: str, t: Annotated[float, Query(ge=0)] = 0.0) -> Response:
        """A JPEG of the frame at t seconds."""
        made = media.picture(_video(pipeline, video_id), t)
        return Response(made, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @app.head("/previews/{video_id}", include_in_schema=False)
    @app.get("/previews/{video_id}", response_class=FileResponse)
    def preview(video_id: str, start: StartSeconds, end: EndSeconds) -> FileResponse:
        """[start, end] of a video as a small H.264 MP4, for files that browsers do not play."""
        return FileResponse(media.preview(_video(pipeline, video_id), start, end), media_type="video/mp4")

    @app.get("/clips/{video_id}", response_class=FileResponse)
    def clip(video_id: str, start: StartSeconds, end: EndSeconds) -> FileResponse:
        """[start, end] of a video as MP4 in full size, to keep; H.264 pictures are copied as far as they can be."""
        return FileResponse(media.clip(_video(pipeline, video_id), start, end), media_type="video/mp4")


def _video(pipeline: Pipeline, video_id: str) -> StoredVideo:
    try:
        return pipeline.library.video(video_id)
    except UserError as error:
        raise HTTPException(404, str(error)) from None


def _normalised(values: list[float]) -> list[float]:
    """Scaled to [0, 1]; a flat curve is 0 everywhere."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]


def _hit(hit: MomentHit, video: StoredVideo) -> Hit:
    return Hit(
        video_id=hit.video_id,
        title=Path(hit.path).name,
        start_s=hit.start_s,
        end_s=hit.end_s,
        duration_s=video.duration_s,
        score=hit.score,
        moment_score=hit.moment_score,
        coarse_score=hit.coarse_score,
        coarse_rank=hit.coarse_rank,
        segment=hit.segment_s,
        playable=is_playable(video),
        first_frame_s=first_frame_s(video),
    )
