"""Long videos, and what reading them costs, measured in a process of its own: `python -m ... PATH SECONDS_A_BATCH`.

A video is made by repeating the packets of one group of pictures, so an hour of it takes seconds to write.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import av
import torch

from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.features.files import FilePictures
from coarse_to_fine.features.pictures import embed_videos
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.types import TextFeatures
from tests.video.files import Recipe, steady_times, write_video

SIDE = 224
GROUP_SECONDS = 2
STATUS = Path("/proc/self/status")


def repeat_group(path: Path, seconds: float, fps: int, height: int, width: int) -> Path:
    """A video of `seconds` whose groups of pictures are all the same, each independent of the others."""
    frames = GROUP_SECONDS * fps
    recipe = Recipe(height=height, width=width, gop=frames, rate=fps, bframes=False)  # type: ignore[arg-type]
    group = write_video(path.with_name("group.mp4"), steady_times(GROUP_SECONDS, fps), recipe)
    with av.open(str(group)) as source, av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = source.streams.video[0]
        target = out.add_stream_from_template(stream)
        coded = [(bytes(packet), packet.is_keyframe) for packet in source.demux(stream) if packet.dts is not None]
        for number in range(round(seconds * fps)):
            content, is_key = coded[number % frames]
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = target, stream.time_base, is_key
            packet.pts = packet.dts = round(number / fps / stream.time_base)
            packet.duration = round(1 / fps / stream.time_base)
            out.mux(packet)
    return path


class ThrottledEncoder:
    """Squashes to SIDE x SIDE; takes its time for every batch, as a large tower does."""

    name, fingerprint, warning = "throttled", "0" * 64, None
    embed_dim, token_dim, image_size = 8, 8, SIDE

    def __init__(self, seconds_a_batch: float) -> None:
        self.seconds_a_batch = seconds_a_batch
        self.preprocessing = Preprocessing(resize=(SIDE, SIDE), crop=None)
        self.encoded = 0

    def prepare(self, picture: torch.Tensor) -> torch.Tensor:
        return self.preprocessing.prepare(picture)

    def encode_images(self, pictures: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds_a_batch)
        self.encoded += len(pictures)
        return pictures[:, :1, :3, 0].float().flatten(1).repeat(1, 3)[:, :8]

    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        raise NotImplementedError


def peak_mb(reset: bool = False) -> float:
    """Highest resident memory since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def read_all(path: Path, encoder: ThrottledEncoder) -> int:
    """Number of clips without a picture after reading the video as indexing does."""
    (outcome,) = embed_videos([lambda: FilePictures(path, encoder, Sampling())], encoder, workers=1)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.features is not None
    return outcome.features.missing_clips


def main(path: Path, warm_up: Path, seconds_a_batch: float) -> None:
    read_all(warm_up, ThrottledEncoder(0.0))
    encoder = ThrottledEncoder(seconds_a_batch)
    before = peak_mb(reset=True)
    missing = read_all(path, encoder)
    print(json.dumps({"grown_mb": peak_mb() - before, "pictures": encoder.encoded, "missing": missing}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
