"""What both stages said, joined into lists of hits: pure functions.

Axes: K candidate videos, N moments of one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from coarse_to_fine.coarse_grained.retrieve import RankedVideo
from coarse_to_fine.fine_grained.merge import LocatedMoment, merge_moments, stitch_saliency
from coarse_to_fine.fusion import FusionConfig, fuse, video_log_probability
from coarse_to_fine.library import StoredVideo
from coarse_to_fine.types import MomentHit, MomentOutput, SegmentFeatures, VideoHit, VideoMoments

NMS_IOU = 0.7
"""Of two moments of one video that overlap by more IoU the better one is kept."""


def joined_hits(
    ranked: Sequence[RankedVideo],
    outputs: Mapping[str, MomentOutput],
    features: Mapping[str, SegmentFeatures],
    stored: Mapping[str, StoredVideo],
    fusion: FusionConfig,
) -> list[MomentHit]:
    """Moments of the candidate videos in one list by the fused score; ties: better video, then earlier start.

    Args:
        ranked: the candidate videos of one query; none give no hits.
        outputs: what the fine model said about their segments, by segment.
        features: of these segments, for their place in the video.
        stored: the videos by id.
        fusion: how the scores of both stages are joined.
    """
    if not ranked:
        return []
    video_log_p = video_log_probability(torch.tensor([video.score for video in ranked]), fusion.temperature)  # (K,)
    hits: list[MomentHit] = []
    for video, log_p in zip(ranked, video_log_p, strict=True):
        parts = [features[segment] for segment in video.segment_ids]
        about = stored[video.video_id]
        found = merge_moments(parts, [outputs[part.segment_id] for part in parts], about.duration_s, NMS_IOU)
        confidence = torch.tensor([moment.score for moment in found])  # (N,)
        scores: list[float] = fuse(log_p.expand(len(found)), confidence, fusion).tolist()
        hits += [
            _hit(about, moment, parts[moment.segment], score=score, coarse_score=video.score, coarse_rank=video.rank)
            for moment, score in zip(found, scores, strict=True)
        ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.coarse_rank, hit.start_s))


def moments_of_video(
    video: StoredVideo,
    parts: Sequence[SegmentFeatures],
    outputs: Mapping[str, MomentOutput],
    clip_seconds: float,
) -> VideoMoments:
    """The fine stage alone: moments and saliency curve of a whole video.

    Args:
        video: what is stored of it.
        parts: all its segments.
        outputs: what the fine model said about them, by segment.
        clip_seconds: length of a clip.
    """
    found = [outputs[part.segment_id] for part in parts]
    hits = tuple(
        _hit(video, moment, parts[moment.segment], score=moment.score, coarse_score=0.0, coarse_rank=1)
        for moment in merge_moments(parts, found, video.duration_s, NMS_IOU)
    )
    return VideoMoments(hits, clip_seconds, stitch_saliency(parts, found, video.clip_count))


def _hit(
    video: StoredVideo,
    moment: LocatedMoment,
    part: SegmentFeatures,
    *,
    score: float,
    coarse_score: float,
    coarse_rank: int,
) -> MomentHit:
    return MomentHit(
        video_id=video.video_id,
        path=video.path,
        start_s=moment.start_s,
        end_s=moment.end_s,
        score=score,
        moment_score=moment.score,
        coarse_score=coarse_score,
        coarse_rank=coarse_rank,
        segment_s=(part.start_s, part.end_s),
    )


def video_hits(
    ranked: Sequence[RankedVideo], stored: Mapping[str, StoredVideo], windows: Mapping[str, tuple[float, float]]
) -> list[VideoHit]:
    """The coarse stage alone: the videos of one query as hits.

    Args:
        ranked: best first.
        stored: the videos by id.
        windows: start and end of their segments, seconds, by segment.
    """
    return [
        VideoHit(video.video_id, stored[video.video_id].path, video.score, video.rank, windows[video.segment_ids[0]])
        for video in ranked
    ]
