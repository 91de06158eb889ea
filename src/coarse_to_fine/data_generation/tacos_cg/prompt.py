"""The request that asks a language model for captions; versioned, so that cached replies belong to one wording."""

from __future__ import annotations

import json
from collections.abc import Sequence

VERSION = 1
TEMPLATE = """Below are sentences that describe moments of one video, in the order of the annotation.
Write {count} different captions of the WHOLE video. Each names the main objects and actions in 8 to 30 words, in one
sentence, and could not be written from a single line below. Use only what the sentences say. Do not write "video", no
numbering, no quotes. Answer with JSON only: {{"captions": ["...", "..."]}}

{sentences}"""


def request_text(sentences: Sequence[str], count: int) -> str:
    """The user message for one video."""
    return TEMPLATE.format(count=count, sentences="\n".join(f"- {sentence}" for sentence in sentences))


def parse_reply(text: str) -> list[str]:
    """Captions of a reply: its JSON, else its lines without numbering and bullets."""
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        try:
            captions = json.loads(text[start : end + 1]).get("captions")
        except (json.JSONDecodeError, AttributeError):
            captions = None
        if isinstance(captions, list):
            return [" ".join(one.split()) for one in captions if isinstance(one, str) and one.strip()]
    lines = (line.strip().lstrip("-*•0123456789.) ").strip().strip('"') for line in text.splitlines())
    return [line for line in lines if len(line.split()) > 2 and not line.startswith(("{", "}", "```"))]
