"""Procedural videos with exact truth."""

from __future__ import annotations

from coarse_to_fine.data_generation.world.captions import coarse_caption, event_sentence, event_sentences
from coarse_to_fine.data_generation.world.demo import DemoSearch, demo_scenes, demo_searches, demo_world
from coarse_to_fine.data_generation.world.frame_captions import frame_caption
from coarse_to_fine.data_generation.world.generate import GeneratedWorld, generate_world, scene_seed
from coarse_to_fine.data_generation.world.render import render_frame
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.data_generation.world.scene import Actor, Event, Scene

__all__ = [
    "Actor",
    "DemoSearch",
    "Event",
    "GeneratedWorld",
    "Scene",
    "coarse_caption",
    "demo_scenes",
    "demo_searches",
    "demo_world",
    "event_sentence",
    "event_sentences",
    "frame_caption",
    "generate_world",
    "render_frame",
    "sample_scene",
    "scene_seed",
]
