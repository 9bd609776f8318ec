"""Numbers as people write them, and back: counts, sizes, durations, rates.

Sizes are decimal when written (1 GB = 10**9 bytes). Standard library only.
"""

from __future__ import annotations

import math
import re

# ── writing ──────────────────────────────────────────────────────────────────────────────────


def count(number: int) -> str:
    """12345 as ``12,345``."""
    return f"{number:,}"


def share(part: float, whole: float) -> str:
    """A percentage, rounded down: ``100.0 %`` means all of it."""
    if whole <= 0:
        return "0.0 %"
    return f"{math.floor(1000 * part / whole) / 10:.1f} %"


def size(amount: float) -> str:
    """Bytes as ``812 B``, ``1.2 GB`` or ``45 MB``."""
    if amount < _ROUNDS_TO_1000:
        return f"{amount:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < _ROUNDS_TO_1000:
            return f"{_short(amount)} {unit}"
    return f"{_short(amount / 1000)} PB"


_ROUNDS_TO_1000 = 999.5


def duration(seconds: float) -> str:
    """Seconds as ``42 ms``, ``4.2 s``, ``4 min 12 s``, ``1 h 30 min`` or ``2 d 3 h``."""
    if seconds <= 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{_short(seconds * 1000)} ms"
    if seconds < 59.5:
        return f"{_short(seconds)} s"
    if seconds < 3599.5:
        return _two(round(seconds), 60, "min", "s")
    if seconds < 86370:
        return _two(round(seconds / 60), 60, "h", "min")
    return _two(round(seconds / 3600), 24, "d", "h")


def _two(amount: int, large: int, large_unit: str, small_unit: str) -> str:
    whole, rest = divmod(amount, large)
    return f"{whole} {large_unit} {rest} {small_unit}" if rest else f"{whole} {large_unit}"


def _short(amount: float) -> str:
    return f"{amount:.1f}" if amount < 9.95 else f"{amount:.0f}"


def clock(seconds: float) -> str:
    """Seconds as ``00:01:05``; hours go on past 99."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"


def rate(per_second: float) -> str:
    """Documents per second as ``189/s``, ``4.2/s``, ``12/min`` or ``3.5/h``."""
    if per_second >= 1 or per_second <= 0:
        return f"{count(round(per_second)) if per_second >= 9.95 else f'{per_second:.1f}'}/s"
    if per_second >= 1 / 60:
        return f"{_short(per_second * 60)}/min"
    return f"{_short(per_second * 3600)}/h"


def estimate(seconds: float, low: float, high: float) -> str:
    """Seconds to come, with their range in the same unit: ``about 4 min (3-6)``."""
    unit, length = _estimate_unit(seconds)
    figures = 0 if length < 3600 else 1  # no more precision than an estimate has
    middle, least, most = (f"{value / length:.{figures}f}" for value in (seconds, low, high))
    band = "" if least == middle == most else f" ({least}-{most})"
    return f"about {middle} {unit}{band}"


def _estimate_unit(seconds: float) -> tuple[str, float]:
    if seconds < 120:
        return "s", 1.0
    if seconds < 7200:
        return "min", 60.0
    if seconds < 172800:
        return "h", 3600.0
    return "d", 86400.0


# ── reading ──────────────────────────────────────────────────────────────────────────────────

_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([kmgtp]?)(i?)(b?)", re.IGNORECASE | re.ASCII)
_POWERS: dict[str, int] = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int:
    """Bytes in ``8GB`` (decimal), ``8GiB`` (binary), ``8g`` (decimal) or ``512MB``.

    Raises ValueError, one line, where it is none or has no unit.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is not a size; write for example 8GB, 8GiB or 512MB")
    if not match[2] and not match[4]:
        raise ValueError(f"{text!r} has no unit; write for example {match[1]}GB or {match[1]}MB")
    step = 1024 if match[3] else 1000
    return round(float(match[1]) * float(step) ** _POWERS[match[2].lower()])


_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|min|[smhd])\s*)+", re.IGNORECASE | re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|[smhd])", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds in ``5m``, ``90`` (seconds), ``1h30m`` or ``250ms``.

    Raises ValueError, one line, where it is none.
    """
    bare = text.strip()
    if _NUMBER.fullmatch(bare):
        return float(bare)
    if not _DURATION.fullmatch(bare):
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 5m, 1h30m or 250ms")
    return sum(float(n) * _SECONDS[u.lower()] for n, u in _DURATION_PART.findall(bare))
