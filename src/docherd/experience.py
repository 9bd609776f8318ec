"""What earlier runs learned of a processor, kept for this user: the next folder starts wise.

One small file for each processor below $XDG_CACHE_HOME/docherd (~/.cache/docherd): extensions and
size classes with what they took, no names and no contents. It only saves time: it may be removed,
be damaged or come from another machine, and a few measurements of one's own outweigh it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from docherd.folder import write_atomically

#: strata kept, and bytes read at most
STRATA, SIZE = 2000, 1 << 20


def recall(processor: str) -> dict[str, str]:
    """What is remembered by stratum, as `Forecast.dump` wrote it; nothing where there is none."""
    try:
        with _file(processor).open("rb") as file:
            found = json.loads(file.read(SIZE))
        strata = found["strata"] if found["processor"] == processor else {}
        return {str(name): str(text) for name, text in strata.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError):
        return {}  # not there, damaged, or this user has no home


def remember(processor: str, learned: Mapping[str, str]) -> None:
    """Keep what a run has learned, in place of what was known of the same strata."""
    if not learned:
        return
    newest = dict(learned)
    for name, text in recall(processor).items():
        newest.setdefault(name, text)
    strata = dict(list(newest.items())[:STRATA])
    content = json.dumps({"processor": processor, "strata": strata}).encode()
    try:
        file = _file(processor)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(file, [content], durable=False)
    except (OSError, RuntimeError):
        pass  # a home that cannot be written: the next run learns by itself


def _file(processor: str) -> Path:
    """Raises RuntimeError where this user has no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if os.path.isabs(given) else Path.home() / ".cache"  # noqa: PTH117 - ""
    name = hashlib.blake2b(processor.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
    return cache / "docherd" / f"{name}.json"
