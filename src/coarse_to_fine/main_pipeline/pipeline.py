"""The two stages joined: a sentence in, ranked moments out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from coarse_to_fine.arguments import require_positive, require_seed, several, shown
from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.candidates import CandidateEngine
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever, RankedVideo
from coarse_to_fine.devices import resolve_device
from coarse_to_fine.encoders.outputs import encoded_sentences
from coarse_to_fine.encoders.sentences import in_other_letters
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.retrieve import FineRetriever
from coarse_to_fine.fusion import FusionConfig, bundled_fusion
from coarse_to_fine.library import Library, StoredVideo
from coarse_to_fine.main_pipeline.joining import joined_hits, moments_of_video, video_hits
from coarse_to_fine.main_pipeline.query import AskedFeatures, Query, asked_features, sentence_video_pairs, wordless
from coarse_to_fine.main_pipeline.stage_models import (
    AskedFor,
    foreign_towers,
    given_or_loaded,
    name_of,
    require_parts,
)
from coarse_to_fine.model_folders import BUNDLED_ENCODER
from coarse_to_fine.modes import undisturbed
from coarse_to_fine.types import MomentHit, MomentOutput, SegmentFeatures, TextFeatures, VideoHit, VideoMoments

KEPT_TEXTS = 10_000
T = TypeVar("T")
WORDLESS = "similarity"
"""The fine model that needs no words."""
SEGMENTS_A_VIDEO = 4
"""Of a long video the fine stage looks into this many segments, the best by the coarse stage."""


class Pipeline:
    """A library with a coarse and a fine model.

    Example:
        pipeline = Pipeline.load("holidays.ctf")
        for hit in pipeline.search("a dog jumps into the water"):
            print(hit.path, hit.start_s, hit.end_s, hit.score)
    """

    def __init__(
        self,
        library: Library,
        coarse: CoarseModel,
        fine: FineModel,
        fusion: FusionConfig | None = None,
        engine: CandidateEngine | None = None,
    ) -> None:
        """Join loaded parts; `load` does it by name. The models are put into eval mode.

        Raises:
            UserError: a part of another kind: a name, a class, a model of the other stage.
        """
        require_parts(library, coarse, fine, fusion, engine)
        coarse, fine = coarse.eval(), fine.eval()
        self.library = library
        self.fusion, self._given_fusion = fusion or FusionConfig(), fusion
        self._engine = engine
        self._coarse = CoarseRetriever(coarse, library, engine=engine)
        self._fine = FineRetriever(fine)
        self._wordless: FineRetriever | None = None
        self._generation = library.generation
        self._texts: dict[str, TextFeatures] = {}
        self.coarse_name, self.fine_name = coarse.name, fine.name
        self._asked_for: AskedFor = None, None
        self._foreign = foreign_towers((coarse, fine), library.encoder_fingerprint)
        self._device = "cpu"

    @classmethod
    @undisturbed()
    def load(
        cls,
        library: Library | str | Path,
        coarse: CoarseModel | str | Path | None = None,
        fine: FineModel | str | Path | None = None,
        device: str = "auto",
        fusion: FusionConfig | None = None,
        engine: CandidateEngine | None = None,
    ) -> Pipeline:
        """Open a library and load the models of both stages.

        Args:
            library: an open library or its folder.
            coarse: `mean-pool`, `t-mass`, the folder of a trained model, or a model; None takes the best that there are
                weights for: trained ones with the bundled encoder, `mean-pool` with others.
            fine: `similarity`, `mesm`, `qd-detr`, a folder or a model; None as for `coarse`.
            device: `auto`, `cpu`, `cuda` or `mps`.
            fusion: how the stages' scores are joined; None takes what was chosen on validation where both models are
                bundled ones, else the defaults. `read_fusion` reads what `ctf train fusion` has written.
            engine: chooses candidates in a large library (`coarse_grained.milvus.MilvusFrames`); None: this process.

        Raises:
            LibraryError: the folder holds no library.
            UserError: an unknown name, or a part of another kind.
            WeightsError: no weights for a model with this library's encoder.
        """
        opened = library if isinstance(library, Library) else Library.open(library, read_only=True, device=device)
        trained = opened.encoder_name == BUNDLED_ENCODER
        coarse_name = coarse if coarse is not None else ("t-mass" if trained else "mean-pool")
        fine_name = fine if fine is not None else ("mesm" if trained else "similarity")
        place = str(resolve_device(device))
        coarse_model = given_or_loaded("coarse", coarse_name, load_coarse, opened.encoder_name, place)
        fine_model = given_or_loaded("fine", fine_name, load_fine, opened.encoder_name, place)
        asked_for = name_of(coarse_name), name_of(fine_name)
        return cls(opened, coarse_model, fine_model, fusion, engine)._loaded(asked_for, place)

    @undisturbed()
    def with_models(
        self, coarse: CoarseModel | str | Path | None = None, fine: FineModel | str | Path | None = None
    ) -> Pipeline:
        """The same library with another model in one or both stages; None keeps the one that is there.

        A fusion that was given stays.

        Raises:
            UserError: an unknown name, or neither name, folder nor model.
            WeightsError: no weights for a model with this library's encoder.
        """
        encoder = self.library.encoder_name
        coarse_model, fine_model = self._coarse.model, self._fine.model
        if coarse is not None:
            coarse_model = given_or_loaded("coarse", coarse, load_coarse, encoder, self._device)
        if fine is not None:
            fine_model = given_or_loaded("fine", fine, load_fine, encoder, self._device)
        made = type(self)(self.library, coarse_model, fine_model, self._given_fusion, self._engine)
        before = self._asked_for
        asked_for = before[0] if coarse is None else name_of(coarse), before[1] if fine is None else name_of(fine)
        return made._loaded(asked_for, self._device)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled and copied without what it has read: another process opens the library itself."""
        parts = (self.library, self._coarse.model, self._fine.model, self._given_fusion, self._engine)
        return _rebuilt, (type(self), parts, self._asked_for, self._device)

    def _loaded(self, asked_for: AskedFor, device: str) -> Pipeline:
        """Note how the models were asked for: a name stands for bundled weights, whose fusion is known."""
        self._asked_for, self._device = asked_for, device
        named = None not in asked_for and self.library.encoder_name == BUNDLED_ENCODER
        if self._given_fusion is None and named:
            self.fusion = bundled_fusion(*map(str, asked_for))
        return self

    def search(
        self,
        query: str | Query,
        moment: str | None = None,
        *,
        top_videos: int = 10,
        top_moments: int = 5,
        seed: int = 0,
        among: Collection[str] | None = None,
    ) -> list[MomentHit]:
        """Moments for one sentence, best first.

        Args:
            query: ranks the videos; locates the moment too unless `moment` is given. A `Query` may hold more: sentences
                to add and to take away, an image.
            moment: a finer sentence for the moment inside the video.
            top_videos: videos that the fine stage looks into.
            top_moments: length of the list; fewer come back from a small library.
            seed: of the coarse model's stochastic text.
            among: ids of the videos that may be found (see `chosen_videos`); None: all.

        Raises:
            UserError: an empty sentence, an unreadable image, unknown ids in `among`, or a count below 1.
        """
        asked = query if isinstance(query, Query) else Query(query)
        asked = asked if moment is None else replace(asked, moment=moment)
        return self.search_many([asked], top_videos=top_videos, top_moments=top_moments, seed=seed, among=among)[0]

    @undisturbed()
    def search_many(
        self,
        queries: Sequence[str | Query],
        *,
        top_videos: int = 10,
        top_moments: int = 5,
        seed: int = 0,
        among: Collection[str] | None = None,
    ) -> list[list[MomentHit]]:
        """`search` for many sentences in one batch; the same results as one by one.

        Raises:
            UserError: an empty sentence, an unreadable image, unknown ids in `among`, or a count below 1.
        """
        require_positive(top_videos=top_videos, top_moments=top_moments)
        require_seed(seed)
        among = None if among is None else several(among, "among", "ids of videos")
        asked = self._asked(queries)
        texts = [one.coarse for one in asked]
        ranked, features, stored = self._settled(lambda: self._ranked_features(texts, top_videos, seed, among))
        candidates = [[segment for video in videos for segment in video.segment_ids] for videos in ranked]
        outputs = self._locate(asked, candidates, features)
        return [
            joined_hits(videos, found, features, stored, self.fusion)[:top_moments]
            for videos, found in zip(ranked, outputs, strict=True)
        ]

    def rank_videos(self, query: str, top_videos: int = 10, seed: int = 0) -> list[VideoHit]:
        """The coarse stage alone: videos for a sentence, best first.

        Raises:
            UserError: an empty sentence or a count below 1.
        """
        return self.rank_videos_many([query], top_videos, seed)[0]

    @undisturbed()
    def rank_videos_many(self, queries: Sequence[str], top_videos: int = 10, seed: int = 0) -> list[list[VideoHit]]:
        """`rank_videos` for many sentences in one batch.

        Raises:
            UserError: an empty sentence or a count below 1.
        """
        require_positive(top_videos=top_videos)
        require_seed(seed)
        queries = several(queries, "queries", "several sentences")
        texts = self._encode(queries)
        return self._settled(lambda: self._video_hits([texts[query] for query in queries], top_videos, seed))

    @undisturbed()
    def score_videos_many(self, queries: Sequence[str], seed: int = 0) -> tuple[list[str], Tensor]:
        """Ids of all videos, and (queries, videos) scores by which they are ranked; of equal ones the first is first.

        Raises:
            UserError: an empty sentence.
        """
        require_seed(seed)
        queries = several(queries, "queries", "several sentences")
        texts = self._encode(queries)
        embeddings = torch.stack([texts[query].embedding for query in queries])
        return self._settled(lambda: self._coarse.score_videos(embeddings, seed))

    def moments(self, query: str | Query, video_id: str) -> VideoMoments:
        """The fine stage alone: moments and the saliency curve of one video.

        Raises:
            UserError: an empty sentence, or no video of this id.
        """
        return self.moments_many([(query, video_id)])[0]

    @undisturbed()
    def moments_many(self, pairs: Sequence[tuple[str | Query, str]]) -> list[VideoMoments]:
        """`moments` for many (sentence, video id) pairs in one batch.

        Raises:
            UserError: an empty sentence, or no video of an id.
        """
        pairs = sentence_video_pairs(pairs)
        asked = self._asked([query for query, _ in pairs])
        stored, own, features = self._settled(lambda: self._whole_videos([video_id for _, video_id in pairs]))
        outputs = self._locate(asked, [own[video] for _, video in pairs], features)
        clip_seconds = self.library.sampling.clip_seconds
        return [
            moments_of_video(stored[video], [features[segment] for segment in own[video]], found, clip_seconds)
            for (_, video), found in zip(pairs, outputs, strict=True)
        ]

    @undisturbed()
    def notes(self, *queries: str | Query | None) -> list[str]:
        """What a person should know about these queries: words that were cut, towers that know little or misfit."""
        asked = [query if isinstance(query, Query) else Query(query) for query in queries if query is not None]
        texts = self._encode([text for query in asked for text in query.sentences])
        cut = [f"only the first part was understood, {text.text!r}" for text in texts.values() if text.truncated]
        warning = self.library.encoder.warning
        if getattr(self.library.encoder, "english_only", False):
            name, asked_words = self.library.encoder.name, dict.fromkeys(text.text for text in texts.values())
            cut += [f"{name} knows English alone: {text!r}" for text in asked_words if in_other_letters(text)]
        wordless = any(not query.wanted and query.moment is None for query in asked) and self.fine_name != WORDLESS
        without = (
            [f"{self.fine_name} needs words: the moments for an image are those of {WORDLESS}"] if wordless else []
        )
        empty = [] if len(self.library) else [f"{self.library.path} holds no videos; add some with: ctf index"]
        return [*([warning] if warning is not None else []), *self._foreign, *empty, *without, *cut]

    def _asked(self, queries: Sequence[str | Query]) -> list[AskedFeatures]:
        given = several(queries, "queries", "several sentences")
        asked = [query if isinstance(query, Query) else Query(query) for query in given]
        texts = self._encode([text for query in asked for text in query.sentences])
        return [asked_features(query, texts, self.library.encoder) for query in asked]

    def _locate(
        self,
        asked: Sequence[AskedFeatures],
        candidates: Sequence[Sequence[str]],
        features: Mapping[str, SegmentFeatures],
    ) -> list[dict[str, MomentOutput]]:
        """The fine stage; the training-free model stands in where a picture is asked for without words."""
        found: list[dict[str, MomentOutput]] = [{} for _ in asked]
        for has_words in {one.has_words for one in asked}:
            rows = [row for row, one in enumerate(asked) if one.has_words is has_words]
            texts, own = [asked[row].fine for row in rows], [candidates[row] for row in rows]
            stage = self._fine if has_words else self._without_words()
            for row, outputs in zip(rows, stage.locate(texts, own, features), strict=True):
                found[row] = outputs
        return found

    def _without_words(self) -> FineRetriever:
        if self._wordless is None:
            own = self._fine if self.fine_name == WORDLESS else None
            self._wordless = own or FineRetriever(load_fine(WORDLESS))
        return self._wordless

    def _encode(self, sentences: Sequence[str]) -> Mapping[str, TextFeatures]:
        for sentence in sentences:
            if not isinstance(sentence, str):
                raise UserError(f"the sentence is {shown(sentence)}; expected text; give it as a string")
            if not any(letter.isalnum() for letter in sentence):
                raise wordless(sentence)
        fresh = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._texts]
        if len(self._texts) + len(fresh) > KEPT_TEXTS:
            self._texts.clear()
            fresh = list(dict.fromkeys(sentences))
        self._texts.update(zip(fresh, encoded_sentences(self.library.encoder, fresh), strict=True))
        return {sentence: self._texts[sentence] for sentence in sentences}

    def _rank(
        self, texts: Sequence[TextFeatures], top_videos: int, seed: int, among: Collection[str] | None = None
    ) -> list[list[RankedVideo]]:
        if not texts:
            return []
        embeddings = torch.stack([text.embedding for text in texts])
        return self._coarse.rank(embeddings, top_videos, SEGMENTS_A_VIDEO, seed, among)

    def _settled(self, read: Callable[[], T]) -> T:
        """Read again where a writer has taken away meanwhile what was to be read next."""
        while True:
            before = self.library.generation
            try:
                return read()
            except (UserError, KeyError):
                if self.library.generation == before:
                    raise

    def _ranked_features(
        self, texts: Sequence[TextFeatures], top_videos: int, seed: int, among: Collection[str] | None
    ) -> tuple[list[list[RankedVideo]], dict[str, SegmentFeatures], dict[str, StoredVideo]]:
        """The videos of each text, the features of their named segments, and what is stored of them."""
        ranked = self._rank(texts, top_videos, seed, among)
        found = [video for videos in ranked for video in videos]
        features = self._features([segment for video in found for segment in video.segment_ids])
        return ranked, features, {video.video_id: self.library.video(video.video_id) for video in found}

    def _video_hits(self, texts: Sequence[TextFeatures], top_videos: int, seed: int) -> list[list[VideoHit]]:
        ranked = self._rank(texts, top_videos, seed)
        found = {video.video_id for videos in ranked for video in videos}
        stored = {video_id: self.library.video(video_id) for video_id in found}
        windows = {
            part.segment_id: (part.start_s, part.end_s)
            for video_id in found
            for part in self.library.segments(video_id)
        }
        return [video_hits(videos, stored, windows) for videos in ranked]

    def _whole_videos(
        self, video_ids: Sequence[str]
    ) -> tuple[dict[str, StoredVideo], dict[str, list[str]], dict[str, SegmentFeatures]]:
        """What is stored of videos, the ids of all their segments, and the features of these."""
        stored = {video_id: self.library.video(video_id) for video_id in video_ids}
        own = {video: [part.segment_id for part in self.library.segments(video)] for video in stored}
        return stored, own, self._features([segment for segments in own.values() for segment in segments])

    def _features(self, segment_ids: Sequence[str]) -> dict[str, SegmentFeatures]:
        generation = self.library.generation
        if generation != self._generation:  # a segment of the same id may show another film now
            for stage in filter(None, (self._fine, self._wordless)):
                stage.forget()
            self._generation = generation
        unique = list(dict.fromkeys(segment_ids))
        return dict(zip(unique, self.library.segment_features(unique), strict=True))


def _rebuilt(
    kind: type[Pipeline],
    parts: tuple[Library, CoarseModel, FineModel, FusionConfig | None, CandidateEngine | None],
    asked_for: AskedFor,
    device: str,
) -> Pipeline:
    return kind(*parts)._loaded(asked_for, device)
