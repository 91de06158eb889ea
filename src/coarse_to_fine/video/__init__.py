"""Probing, decoding and frame sampling of video files; the only place that knows containers and codecs."""

from coarse_to_fine.video.copy import CopiedClip, copy_clip
from coarse_to_fine.video.cut import Piece, cut_clip, cut_reel
from coarse_to_fine.video.folder import FoundVideos, find_videos
from coarse_to_fine.video.picture import PictureSize
from coarse_to_fine.video.player_clock import PlayerClock, player_clock
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.read import FrameRead, FrameReader, read_frames
from coarse_to_fine.video.sampling import ReadingPlan, SegmentPlan, clip_count, plan_reading
from coarse_to_fine.video.splice import SplicedClip, splice_clip
from coarse_to_fine.video.thumbnail import encode_jpeg, thumbnail
from coarse_to_fine.video.video_file import LostSpan, VideoFile

__all__ = [
    "CopiedClip",
    "FoundVideos",
    "FrameRead",
    "FrameReader",
    "LostSpan",
    "PictureSize",
    "Piece",
    "PlayerClock",
    "ReadingPlan",
    "SegmentPlan",
    "SplicedClip",
    "VideoFile",
    "clip_count",
    "copy_clip",
    "cut_clip",
    "cut_reel",
    "encode_jpeg",
    "find_videos",
    "plan_reading",
    "player_clock",
    "probe",
    "read_frames",
    "splice_clip",
    "thumbnail",
]
