"""Probing, decoding and frame sampling of video files; the only place that knows containers and codecs."""

from coarse_to_fine.video.picture import PictureSize
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.read import FrameRead, FrameReader, read_frames
from coarse_to_fine.video.sampling import ReadingPlan, SegmentPlan, clip_count, plan_reading
from coarse_to_fine.video.video_file import LostSpan, VideoFile

__all__ = [
    "FrameRead",
    "FrameReader",
    "LostSpan",
    "PictureSize",
    "ReadingPlan",
    "SegmentPlan",
    "VideoFile",
    "clip_count",
    "plan_reading",
    "probe",
    "read_frames",
]
