"""Ranks the videos of a library for sentences: every segment is scored, a video counts by the best of its segments.

Axes: T texts, V segments, C candidates, N videos, F frames, D width.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from coarse_to_fine.arguments import (
    described,
    require_kind,
    require_positive,
    require_seed,
    require_whole,
    several,
    shown,
)
from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache, blocks, checked_scores
from coarse_to_fine.coarse_grained.candidates import (
    CandidateConfig,
    CandidateEngine,
    Candidates,
    FrameCosines,
    require_engine,
)
from coarse_to_fine.coarse_grained.content import Block, Content
from coarse_to_fine.coarse_grained.ranking import best_per_video, stable_top
from coarse_to_fine.coarse_grained.rescoring import rescore
from coarse_to_fine.errors import UserError
from coarse_to_fine.wording import counted, first_of

MEMORY_BYTES = 4 << 30
SCORES_AT_ONCE = 2**26
"""Largest T * V of one score matrix: more texts are ranked in groups."""


class SegmentBlock(Protocol):
    """Some segments of a gallery: their ids, `<video id>#<number>`, and their (V, F, D) coarse frames."""

    @property
    def segment_ids(self) -> Sequence[str]: ...
    @property
    def frames(self) -> Tensor: ...


@runtime_checkable
class Gallery(Protocol):
    """What is searched; a library is one. Equal generations mean equal content."""

    @property
    def generation(self) -> int: ...
    def frames_matrix(self) -> Iterable[SegmentBlock]: ...


class RankedVideo(NamedTuple):
    """A video as the coarse stage ranks it.

    Attributes:
        video_id: id in the library.
        score: of its best segment.
        rank: 1 for the best.
        segment_ids: its best segments, best first.
    """

    video_id: str
    score: float
    rank: int
    segment_ids: tuple[str, ...]


class CoarseRetriever:
    """A coarse model with the caches of a gallery, kept between searches and renewed when the gallery changes.

    Args:
        model: in eval mode.
        gallery: a library, or whatever gives blocks of segments.
        memory_bytes: caches that would go beyond it are computed anew in each search, which is slow and bounded.
        compact: keep smaller caches (see `CoarseModel.compact`).
        candidates: from which size on, and how many segments are chosen before exact scores.
        engine: chooses them; None compares all frames in this process.

    Raises:
        UserError: one of these is of another kind.
    """

    def __init__(
        self,
        model: CoarseModel,
        gallery: Gallery,
        memory_bytes: int = MEMORY_BYTES,
        compact: bool = False,
        candidates: CandidateConfig | None = None,
        engine: CandidateEngine | None = None,
    ) -> None:
        require_kind(model, CoarseModel, "model", "a coarse model", "load one: load_coarse(NAME) of coarse_grained")
        expected = "a library, or what has generation and frames_matrix"
        require_kind(gallery, Gallery, "gallery", expected, "open one: Library.open(PATH)")
        step = "make one: CandidateConfig(kept=1000) of coarse_grained.candidates"
        require_kind(candidates, CandidateConfig | None, "candidates", "a CandidateConfig", step)
        require_engine(engine)
        require_whole(memory_bytes=memory_bytes)
        self.model, self.gallery = model, gallery
        self._ranker = model.ranker
        self._memory_bytes, self._compact = memory_bytes, compact
        self._candidates = Candidates(engine or FrameCosines(), candidates or CandidateConfig())
        self._content: Content | None = None

    def rank(
        self,
        text: Float[Tensor, "T D"],
        top_videos: int = 10,
        segments_a_video: int = 1,
        seed: int = 0,
        among: Collection[str] | None = None,
    ) -> list[list[RankedVideo]]:
        """The best videos of every text, best first; ties in the order of the video ids, then of time.

        In a gallery so large that candidates are chosen, videos without a candidate are not listed.

        Args:
            text: sentence embeddings of the gallery's encoder, not normalised.
            top_videos: length of each list; fewer come back from a small gallery.
            segments_a_video: segments named of each video.
            seed: of the model's noise.
            among: ids of the videos that may be ranked; None: all.

        Raises:
            UserError: no (T, D) tensor, a count below 1, ids that the gallery does not hold, or scores that are no
                finite numbers.
        """
        _require_embeddings(text)
        require_positive(top_videos=top_videos, segments_a_video=segments_a_video)
        require_seed(seed)
        content = self._refresh()
        wanted = _wanted(content, among)
        if not content.video_ids or wanted == frozenset():
            return [[] for _ in text]
        hidden = _hidden(content, wanted)
        segments = len(content.segment_ids)
        kept = self._count(segments, top_videos * segments_a_video) if hidden is None else segments
        ranked: list[list[RankedVideo]] = []
        for scores in self._searched(content, text, seed, kept, hidden):
            best = _best_videos(content, scores, top_videos, segments_a_video)
            if not all(videos and math.isfinite(videos[0].score) for videos in best):
                raise self._no_number(content, text, scores)
            ranked += best
        return ranked

    def score_videos(self, text: Float[Tensor, "T D"], seed: int = 0) -> tuple[list[str], Float[Tensor, "T N"]]:
        """Ids of all videos in the order in which `rank` breaks ties, and the scores by which it ranks them.

        Args:
            text: sentence embeddings of the gallery's encoder, not normalised.
            seed: of the model's noise.

        Raises:
            UserError: no (T, D) tensor, or scores that are no finite numbers.
        """
        _require_embeddings(text)
        require_seed(seed)
        content = self._refresh()
        videos = len(content.video_ids)
        found = []
        for scores in self._searched(content, text, seed, len(content.segment_ids), None) if videos else ():
            if not bool(scores.amax(dim=1).isfinite().all()):
                raise self._no_number(content, text, scores)
            found.append(best_per_video(scores, content.video_of_segment, videos))
        return content.video_ids, torch.cat(found) if found else torch.zeros(len(text), videos)

    def _searched(
        self, content: Content, text: Float[Tensor, "T D"], seed: int, kept: int, hidden: Bool[Tensor, " V"] | None
    ) -> Iterator[Float[Tensor, "P V"]]:
        """Scores of all segments, of some texts at a time; -inf for what is hidden and for what is no candidate."""
        segments = len(content.segment_ids)
        for part in blocks(len(text), SCORES_AT_ONCE // segments):
            asked = text[part]
            scores = (
                self._scores(content, asked, seed) if kept == segments else self._chosen(content, asked, seed, kept)
            )
            scores = scores.cpu() if hidden is None else scores.cpu().masked_fill(hidden, -torch.inf)
            scores = rescore(self.model, asked, scores, content.frames_of, seed)
            yield scores if hidden is None else scores.masked_fill(hidden, -torch.inf)

    def _scores(self, content: Content, text: Float[Tensor, "T D"], seed: int) -> Float[Tensor, "T V"]:
        held = [block.cache for block in content.blocks if block.cache is not None]
        caches: Iterable[VideoCache] = held
        if len(held) < len(content.blocks):
            caches = (self._new_cache(block.frames) if block.cache is None else block.cache for block in content.blocks)
        scores = self._ranker.score_blocks(text, caches, seed)
        return checked_scores(scores, self._ranker.name, len(text), len(content.segment_ids))

    def _chosen(self, content: Content, text: Float[Tensor, "T D"], seed: int, kept: int) -> Float[Tensor, "T V"]:
        """Exact scores of the candidates of each text, -inf for all others."""
        self._candidates.hold([block.frames for block in content.blocks])
        columns = self._candidates.engine.search(text, kept).cpu().sort(dim=1).values
        scores = torch.full((len(text), len(content.segment_ids)), -torch.inf)
        for row, own, one in zip(scores, columns, text):
            row[own] = self._ranker.score_once(one.unsqueeze(0), content.frames_of(own), seed)[0].cpu()
        return scores

    def _no_number(self, content: Content, text: Float[Tensor, "T D"], scores: Float[Tensor, "P V"]) -> UserError:
        """What to say about scores that are no finite numbers: whether the text, the features or the model is wrong."""
        row = int(scores.amax(dim=1).isfinite().logical_not().nonzero()[0])
        column = int(scores[row].argmax())
        segment, score = content.segment_ids[column], float(scores[row, column])
        if not bool(text.isfinite().all()):
            return UserError(
                "the embedding of a query holds inf or NaN; expected finite numbers; mend the encoder that made it"
            )
        if not bool(content.frames_of(torch.tensor([column])).isfinite().all()):
            return UserError(
                f"the features of the segment {segment!r} hold inf or NaN; expected finite numbers; remove its video "
                "from the library, and add it again with an encoder that gives such"
            )
        return UserError(
            f"the coarse model {self.model.name!r} gave the segment {segment!r} the score {score}; expected a finite "
            "number; mend the model"
        )

    def _count(self, segments: int, wanted: int) -> int:
        return segments if self._ranker.cheap else self._candidates.config.count(segments, wanted)

    def _new_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        cache = self._ranker.video_cache(frames)
        step = "mend `video_cache` of the model"
        require_kind(cache, dict, f"the cache of {self._ranker.name!r}", "a dict of tensors, a row a segment", step)
        return self._ranker.compact(cache) if self._compact else cache

    def _refresh(self) -> Content:
        """Renew what a writer has changed; blocks that are still mapped keep their caches."""
        generation = self.gallery.generation
        if self._content is not None and self._content.generation == generation:
            return self._content
        known = {id(block.frames): block.cache for block in self._content.blocks} if self._content is not None else {}
        given = [block for block in self.gallery.frames_matrix() if len(block.segment_ids)]
        ids = [segment_id for block in given for segment_id in block.segment_ids]
        whole = self._count(len(ids), 0) == len(ids)
        held: list[Block] = []
        used = 0
        for block in given:
            cache = known.get(id(block.frames))
            if cache is None and whole and used < self._memory_bytes:
                cache = self._new_cache(block.frames)
            own = _bytes(cache, block.frames)
            cache = cache if used + own <= self._memory_bytes else None
            used += own if cache is not None else 0
            held.append(Block(block.frames, cache))
        self._content = Content.of(generation, held, ids)
        return self._content


def _require_embeddings(text: object) -> None:
    if not isinstance(text, Tensor) or text.ndim != 2:
        raise UserError(
            f"the text is {described(text)}; expected embeddings of sentences, a tensor of shape (T, D); encode them "
            "with the library's encoder, or search with a Pipeline"
        )


def _best_videos(
    content: Content, scores: Float[Tensor, "T V"], top_videos: int, segments_a_video: int
) -> list[list[RankedVideo]]:
    videos = best_per_video(scores, content.video_of_segment, len(content.video_ids))
    best = stable_top(videos, top_videos)
    ids, best_segments, hidden = content.video_ids, content.best_segments, -torch.inf
    return [
        [
            RankedVideo(ids[video], value, rank, best_segments(row, video, segments_a_video))
            for rank, (video, value) in enumerate(zip(columns, values), start=1)
            if value != hidden
        ]
        for row, columns, values in zip(scores, best.indices.tolist(), best.scores.tolist())
    ]


def _wanted(content: Content, among: Collection[str] | None) -> frozenset[str] | None:
    """The ids that may be ranked; None: all.

    Raises:
        UserError: one text, no ids, or some that the gallery does not hold.
    """
    if among is None:
        return None
    given, known = several(among, "among", "ids of videos"), set(content.video_ids)
    unknown = sorted({str(one) if isinstance(one, str) else shown(one) for one in given if not _is_one_of(one, known)})
    if unknown:
        raise UserError(
            f"among names {counted(len(unknown), 'id')} not there ({first_of(unknown)}); expected ids of the library's "
            "videos; choose them with `chosen_videos`"
        )
    return frozenset(given)


def _is_one_of(given: object, known: Collection[str]) -> bool:
    return isinstance(given, str) and given in known


def _hidden(content: Content, wanted: frozenset[str] | None) -> Bool[Tensor, " V"] | None:
    """True for the segments of videos that may not be ranked."""
    if wanted is None:
        return None
    videos = torch.tensor([video_id not in wanted for video_id in content.video_ids])
    return videos[content.video_of_segment.cpu()]


def _bytes(cache: VideoCache | None, frames: Tensor) -> int:
    """Memory of a cache beside the frames themselves, which are mapped."""
    if cache is None:
        return 0
    return sum(value.nbytes for value in cache.values() if value.data_ptr() != frames.data_ptr())
