"""File names for ids that come from data: an id is one name in its folder, never a path."""

from __future__ import annotations

import re
from itertools import product
from urllib.parse import quote, unquote

Name = tuple[str, ...]
"""Name of an array: folders below the top, then the file; one part where there is no folder."""

LONGEST_NAME = 200
"""Bytes of a name that every file system takes, its suffix not counted."""


def is_plain(item_id: str) -> bool:
    """Whether an id can stand in a file name as it is."""
    return (
        item_id not in ("", ".", "..")
        and not any(letter in "/\\\0" or not letter.isprintable() for letter in item_id)
        and len(item_id.encode("utf-8")) <= LONGEST_NAME
    )


def file_stems(item_id: str) -> list[str]:
    """Names under which an id may be stored, the likelier first: as it is where it is plain, and percent-encoded.

    An id with a `%` is looked for in its encoded form first, since the plain form may be the encoding of another id.
    """
    encoded = encoded_stem(item_id)
    if not is_plain(item_id):
        return [encoded]
    return list(dict.fromkeys((encoded, item_id) if "%" in item_id else (item_id, encoded)))


def written_stem(item_id: str) -> str:
    """The name under which we write an id: as it is where it is plain and holds no `%`, else percent-encoded."""
    return item_id if is_plain(item_id) and "%" not in item_id else encoded_stem(item_id)


def encoded_stem(item_id: str) -> str:
    """Percent-encoded id; dots of `.` and `..` too, which would be folders."""
    encoded = quote(item_id, safe="")
    return encoded.replace(".", "%2E") if encoded in (".", "..") else encoded


def id_of_stem(stem: str) -> str:
    """The id that a name stands for."""
    return unquote(stem)


def array_name(pattern: str, **fields: str) -> Name:
    """A pattern such as `qid{query_id}` or `{video_id}/{index}` with its fields filled in.

    Only the slashes of the pattern part folders; what stands in a field is one name whatever it holds.
    """
    place = re.compile(r"\{(" + "|".join(fields) + r")\}")
    return tuple(place.sub(lambda found: fields[found[1]], part) for part in pattern.split("/"))


def relative_paths(name: Name, suffix: str) -> list[str]:
    """Where the file of a name may lie below its folder, the likelier place first."""
    choices = [file_stems(part) for part in name]
    return [f"{'/'.join(parts)}{suffix}" for parts in product(*choices)]
