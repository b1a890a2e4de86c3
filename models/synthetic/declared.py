"""Voices that say themselves that they are synthetic: the grade of the declaration, from wherever it is found.

The labelling measures of 2025 (art. 6) know three grades: *confirmed*, where the file's implicit label says so;
*possible*, where the speaker declares it; *suspected*, where an explicit mark or traces of synthesis are
found. The implicit label of GB 45438-2025 (annex E) is a metadata entry `AIGC` whose value is a JSON object; its field
`Label` is 1 (is generated), 2 (may be) or 3 (is suspected to be).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, get_args

Status = Literal["", "suspected", "possible", "confirmed"]
"""Grade of a declaration, weakest first; empty where there is none."""

_BY_LABEL: Mapping[str, Status] = {"1": "confirmed", "2": "possible", "3": "suspected"}
# In comments of Ogg and FLAC "AIGC={…}", in an ID3 tag "AIGC" NUL "{…}", in MP4 with two atoms' heads between.
_IN_BYTES = re.compile(rb"AIGC[^{]{0,64}(\{[^{}]{0,4096}\})", re.IGNORECASE)


def strongest(grades: Iterable[Status]) -> Status:
    """The strongest of several grades; empty for none."""
    return max(grades, key=get_args(Status).index, default="")


def of_label(value: str) -> Status:
    """The grade that an `AIGC` entry states; one that cannot be read is a trace, hence *suspected*."""
    try:
        label = json.loads(value)["Label"]
    except (ValueError, KeyError, TypeError):
        return "suspected"
    return _BY_LABEL.get(str(label), "suspected")


def of_metadata(metadata: Mapping[str, str]) -> Status:
    """The grade that a container's metadata state."""
    return strongest(of_label(value) for key, value in metadata.items() if key.upper() == "AIGC")


def of_bytes(payload: bytes) -> Status:
    """The grade that an encoded chunk or file states, if it carries the entry as UTF-8."""
    return strongest(of_label(found.decode("utf-8", "replace")) for found in _IN_BYTES.findall(payload))


def of_file(path: Path) -> Status:
    """The grade that the tags of an audio file state, in whatever container FFmpeg reads.

    Raises av.error.FFmpegError or OSError if the file cannot be opened.
    """
    import av

    with av.open(str(path)) as container:
        return strongest(of_metadata(tags) for tags in (container.metadata, *(s.metadata for s in container.streams)))
