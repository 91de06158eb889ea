"""A scene of the drawn world: frozen values from which every frame, sentence and window follows.

Units: x in widths of the picture, heights, sizes and altitudes in heights of the picture, angles in degrees clockwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Pose:
    """Where and how an object is drawn.

    Attributes:
        x: middle of the object, widths from the left edge of the unmoved camera.
        altitude: height of its lowest point above its own ground line.
        size: height of the object.
        angle: rotation about its middle, clockwise.
        faces_left: whether it is mirrored (drawn kinds face right).
        alpha: opacity in [0, 1].
        present: whether it is in the picture at all.
        in_front: whether it is drawn over all other objects.
    """

    x: float
    altitude: float = 0.0
    size: float = 0.28
    angle: float = 0.0
    faces_left: bool = False
    alpha: float = 1.0
    present: bool = True
    in_front: bool = False

    def at(self, **changes: float | bool) -> Pose:
        """A copy with the given fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Actor:
    """One object of a scene.

    Attributes:
        kind, colour: what it is; no two actors of a scene share both.
        ground: its ground line, heights from the top of the picture; a lower line is nearer and drawn later.
        start: its pose until its first event.
        shade: factor on its colour, so that no two objects of one colour are quite alike.
    """

    kind: str
    colour: str
    ground: float
    start: Pose
    shade: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens in [start_s, end_s].

    Attributes:
        action: name of the action.
        direction: side or turn, None where the action has none.
        subject, target: indices of actors; `target` is None where one object acts alone.
        start_s, end_s: the window, seconds.
        repeats: how many times a repeated motion is done in the window.
        reach: extent of the motion: height of a jump, tilt of a fall, ... (see motion.py).
        before, after: pose of the subject at the borders.
        target_before, target_after: pose of the target at the borders.
        near: index of the nearest bystander in the picture, None where there is none.
        held_out: whether the triple (kind, colour, action) of the subject never occurs in training.
    """

    action: str
    direction: str | None
    subject: int
    target: int | None
    start_s: float
    end_s: float
    repeats: int
    reach: float
    before: Pose
    after: Pose
    target_before: Pose | None = None
    target_after: Pose | None = None
    near: int | None = None
    held_out: bool = False

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def window_s(self) -> tuple[float, float]:
        return (self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Camera:
    """A slow drift of the picture along a Lissajous path: amplitudes in widths and heights, periods in seconds."""

    x_amplitude: float
    y_amplitude: float
    x_period_s: float
    y_period_s: float
    phase: float

    def offset(self, time_s: float) -> tuple[float, float]:
        """How far the camera has moved to the right and down at `time_s`, widths and heights."""
        x = self.x_amplitude * math.sin(math.tau * time_s / self.x_period_s + self.phase)
        y = self.y_amplitude * math.sin(math.tau * time_s / self.y_period_s + 2 * self.phase)
        return x, y


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the frames become a file.

    Attributes:
        width, height: pixels, even.
        fps: ticks a second; a frame may last several ticks where `variable` is set.
        variable: whether the frame rate varies.
        key_distance: most frames between two key frames.
        crf: constant rate factor of the encoder.
    """

    width: int
    height: int
    fps: int
    variable: bool
    key_distance: int
    crf: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything of one video.

    Attributes:
        video_id: `<split>-<seed>`, unique over all splits.
        split, seed: what it was sampled from.
        duration_s: length, a whole number of ticks of the frame rate.
        place: one of PLACES.
        place_variant: which of the drawn variants of the place.
        camera: its drift.
        noise: amplitude of the noise, grey levels.
        actors: all objects, bystanders included.
        events: in order of start; they do not overlap.
        encoding: size, frame rate and settings of the file.
    """

    video_id: str
    split: str
    seed: int
    duration_s: float
    place: str
    place_variant: int
    camera: Camera
    noise: int
    actors: tuple[Actor, ...]
    events: tuple[Event, ...]
    encoding: Encoding

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return (self.encoding.width, self.encoding.height)

    @property
    def fps(self) -> int:
        return self.encoding.fps

    @property
    def aspect(self) -> float:
        """Width over height of the picture."""
        return self.encoding.width / self.encoding.height

    def events_at(self, time_s: float) -> tuple[Event, ...]:
        """The events whose window holds `time_s` (end excluded)."""
        return tuple(event for event in self.events if event.start_s <= time_s < event.end_s)
