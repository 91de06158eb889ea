"""What can happen next: the objects in the picture while a scene is being sampled, and every action they could do.

Objects stand on five places from left to right. An action is offered only if it can be told apart from the others:
nobody walks past a bystander unless the sentence says so, and nobody leaves the picture unless it leaves.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from coarse_to_fine.data_generation.world.kinds import DRAWINGS
from coarse_to_fine.data_generation.world.scene import Actor, Pose
from coarse_to_fine.data_generation.world.vocabulary import ACTIONS

SLOTS: tuple[float, ...] = (0.13, 0.315, 0.5, 0.685, 0.87)
MIN_PRESENT = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could happen: `slot` is where the subject ends, `target_slot` where the target ends."""

    action: str
    direction: str | None
    subject: int
    target: int | None = None
    slot: int | None = None
    target_slot: int | None = None


@dataclass
class Stage:
    """Who is where right now.

    Attributes:
        actors: all objects of the scene.
        aspect: width over height of the picture.
        most: how many objects may be in the picture at once.
        poses: current pose of each actor.
        slots: index into SLOTS of each actor in the picture.
    """

    actors: list[Actor]
    aspect: float
    most: int
    poses: list[Pose]
    slots: dict[int, int] = field(default_factory=dict)

    def half_width(self, actor: int) -> float:
        """Half the width of an actor, widths of the picture."""
        return DRAWINGS[self.actors[actor].kind].half_width * self.poses[actor].size / self.aspect

    def spot(self, slot: int, rng: random.Random) -> float:
        """An x near a slot."""
        return SLOTS[slot] + rng.uniform(-0.022, 0.022)

    def nearest(self, subject: int, target: int | None) -> int | None:
        """The bystander in the picture that is nearest to the subject."""
        others = [actor for actor in self.slots if actor not in (subject, target)]
        return min(others, key=lambda actor: abs(self.poses[actor].x - self.poses[subject].x), default=None)

    def free(self, slot: int, step: int) -> list[int]:
        """Free slots beyond `slot` in the direction of `step`, nearest first, up to the next object."""
        taken = set(self.slots.values())
        found: list[int] = []
        slot += step
        while 0 <= slot < len(SLOTS) and slot not in taken:
            found.append(slot)
            slot += step
        return found

    def on_feet(self, actor: int) -> bool:
        """Whether it stands upright on the ground."""
        pose = self.poses[actor]
        return pose.altitude == 0 and pose.angle == 0

    def candidates(self, length_s: float) -> list[Candidate]:
        """Everything that could happen now and take `length_s` seconds."""
        found = [*self._entrances(), *self._exits(), *self._solos(), *self._pairs()]
        return [candidate for candidate in found if length_s >= _SHORTEST[candidate.action] - 0.05]

    def _entrances(self) -> Iterator[Candidate]:
        if len(self.slots) >= self.most:
            return
        for actor in range(len(self.actors)):
            if actor not in self.slots:
                for side, outside, step in (("left", -1, 1), ("right", len(SLOTS), -1)):
                    for slot in self.free(outside, step):
                        yield Candidate("enter", side, actor, slot=slot)

    def _exits(self) -> Iterator[Candidate]:
        if len(self.slots) <= MIN_PRESENT:
            return
        order = sorted(self.slots, key=self.slots.__getitem__)
        for side, actor in (("left", order[0]), ("right", order[-1])):
            if self.on_feet(actor):
                yield Candidate("leave", side, actor)

    def _solos(self) -> Iterator[Candidate]:
        for actor in self.slots:
            pose = self.poses[actor]
            top = pose.altitude + pose.size
            yield Candidate("blink", None, actor)
            if pose.altitude > 0.15:
                yield Candidate("fall", None, actor)
            if pose.altitude == 0 and pose.size <= 0.4:
                yield Candidate("rise", None, actor)
            if pose.angle == 0:
                yield Candidate("shake", None, actor)
                if pose.size >= 0.27:
                    yield Candidate("shrink", None, actor)
                if pose.size <= 0.35 and top <= 0.6:
                    yield Candidate("grow", None, actor)
                if top <= 0.75:
                    yield Candidate("spin", "clockwise", actor)
                    yield Candidate("spin", "counterclockwise", actor)
                if pose.altitude == 0 and top <= 0.5:
                    yield Candidate("jump", None, actor)

    def _pairs(self) -> Iterator[Candidate]:
        for subject, here in self.slots.items():
            if not self.on_feet(subject):
                continue
            for target, there in self.slots.items():
                step = 1 if there > here else -1
                if target != subject and self.on_feet(target) and self._neighbours(here, there, step):
                    yield from self._joint(subject, target, step)

    def _neighbours(self, here: int, there: int, step: int) -> bool:
        return len(self.free(here, step)) == abs(there - here) - 1

    def _joint(self, subject: int, target: int, step: int) -> Iterator[Candidate]:
        here, there = self.slots[subject], self.slots[target]
        side = "right" if step > 0 else "left"
        beyond = self.free(there, step)
        if abs(there - here) <= 2 and 2 * there - here in beyond and self.poses[target].size <= 0.4:
            yield Candidate("circle", "clockwise", subject, target)
            yield Candidate("circle", "counterclockwise", subject, target)
        for slot in beyond:
            yield Candidate("pass", side, subject, target, slot=slot)
            if abs(slot - there) + abs(slot - step - here) >= 3:
                yield Candidate("follow", side, subject, target, slot=slot - step, target_slot=slot)
        if self.hit_reach(subject, target) > 0.3:
            yield Candidate("hit", None, subject, target)

    def hit_reach(self, subject: int, target: int) -> float:
        """Share of the way to its target that a hitting object goes until both touch; negative if they overlap."""
        apart = abs(self.poses[target].x - self.poses[subject].x)
        return 1 - 0.8 * (self.half_width(subject) + self.half_width(target)) / apart


_SHORTEST = {rule.name: rule.min_s for rule in ACTIONS}
