"""Films made once a session, when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.video.files import Recipe, steady_times, uneven_times, write_video

FASTSTART = {"movflags": "+faststart"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
NTSC = Fraction(30000, 1001)
OPEN_GOP = {"preset": "medium", "x264-params": "keyint=30:min-keyint=30:scenecut=0:open-gop=1:bframes=3"}
OPEN_GOP_HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:keyint=30:open-gop=1:bframes=4"}
REFRESH = {"preset": "ultrafast", "x264-params": "keyint=30:intra-refresh=1:bframes=0"}
INTERLACED = {"preset": "medium", "flags": "+ildct+ilme", "x264-params": "keyint=30:interlaced=1:tff=1"}
ALT_REF = {"deadline": "good", "auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"}
BFRAMES = {"bf": "2", "b": "2M"}

Film = tuple[list[float], Recipe]

INTACT: dict[str, Film] = {
    "plain.mp4": (steady_times(5), Recipe(gop=60, container=FASTSTART, sound="aac")),
    "sound_first.mp4": (steady_times(2), Recipe(sound="aac", sound_first=True)),
    "no_bframes.mp4": (steady_times(3), Recipe(bframes=False)),
    "long_gop.mp4": (steady_times(5), Recipe(gop=250, options={"preset": "medium", "bf": "5"})),
    "open_gop.mp4": (steady_times(3), Recipe(options=OPEN_GOP)),
    "open_gop.ts": (steady_times(3), Recipe(options=OPEN_GOP)),
    "gradual_refresh.mp4": (steady_times(5), Recipe(options=REFRESH)),
    "interlaced.ts": (steady_times(2), Recipe(options=INTERLACED)),
    "uneven.mp4": (uneven_times(12), Recipe()),
    "uneven.mkv": (uneven_times(12), Recipe(gop=60)),
    "uneven_ahead.mkv": (uneven_times(24), Recipe()),
    "uneven_slides.mp4": ([6.0 * number for number in range(20)], Recipe(options={"preset": "medium", "bf": "2"})),
    "sound.ts": (steady_times(3), Recipe(sound="mp2", gop=30)),
    "hevc_10bit.mp4": (steady_times(2), Recipe(codec="libx265", pix_fmt="yuv420p10le", gop=30)),
    "hevc_open_gop.ts": (steady_times(3), Recipe(codec="libx265", options=OPEN_GOP_HEVC)),
    "vp8_one_key.webm": (steady_times(5), Recipe(codec="libvpx", gop=9999)),
    "vp8_hidden.webm": (steady_times(3), Recipe(codec="libvpx", gop=60, options=ALT_REF)),
    "vp8_piped.webm": (steady_times(3), Recipe(codec="libvpx", container={"live": "1"})),
    "vp9_hidden.webm": (steady_times(3), Recipe(codec="libvpx-vp9", gop=60, options=ALT_REF)),
    "mpeg4_bframes.avi": (steady_times(3), Recipe(codec="mpeg4", gop=30, time_base=None, options=BFRAMES)),
    "h264_no_pts.avi": (steady_times(4.1), Recipe(gop=30, time_base=None)),
    "mjpeg.avi": (steady_times(1), Recipe(codec="mjpeg", pix_fmt="yuvj420p", time_base=None)),
    "mpeg2.mpg": (steady_times(3), Recipe(codec="mpeg2video", gop=15, time_base=None, options=BFRAMES)),
    "sorenson.flv": (steady_times(3), Recipe(codec="flv", gop=30, time_base=None)),
    "wmv2.wmv": (steady_times(3), Recipe(codec="wmv2", gop=30, time_base=None)),
    "prores_422.mov": (steady_times(1), Recipe(codec="prores_ks", pix_fmt="yuv422p10le")),
    "av1.mp4": (steady_times(3), Recipe(codec="libsvtav1", gop=30, options={"preset": "8", "crf": "20", "b": "0"})),
    "fragmented.mp4": (steady_times(3), Recipe(container=FRAGMENTED)),
    "ntsc.mp4": (steady_times(4, NTSC), Recipe(rate=NTSC, gop=48)),
    "one_frame.mp4": ([0.0], Recipe()),
}


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the path of a film of `INTACT`, rendering it at the first call."""
    folder = tmp_path_factory.mktemp("films")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            write_video(path, *INTACT[name])
        return path

    return make
