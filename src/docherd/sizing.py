"""What limited a start, and which numbers would have been better. Pure, from what was measured.

A worker that has nothing in hand waits for something: a Document to be found, memory, the disk,
its own start. What most of the workers' time was lost to is what limited the run; where hardly any
was lost, that are the cores, or, where these idled, the number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self

from docherd.units import count, size

#: in a run folder: what limited the last start that was long enough to say
FILE = "sizing.json"
#: seconds and Documents below which nothing can be said
SECONDS, DOCUMENTS = 2.0, 5
#: share of the workers' time that is a limit; of the cores that are all; of them that idle
NOTICEABLE, IN_USE, IDLE = 0.25, 0.85, 0.2
#: share of the memory below which less of it is enough; and so many times what was held
SPARE, ROOMY = 0.25, 2.0
#: numbers of workers that people type
_NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_PARTS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}


class Idle(StrEnum):
    """Why workers have nothing in hand."""

    SOURCE = "source"
    MEMORY = "memory"
    DISK = "disk"
    START = "start"
    #: nothing is left to give out
    END = "end"


@dataclass(frozen=True, slots=True)
class Use:
    """What was made use of. Seconds and bytes."""

    seconds: float
    #: Documents finished
    documents: int
    cores: int
    #: workers at last, and whether their number was found out
    workers: int
    auto: bool
    #: seconds of workers: all, with something in hand, and without by why
    capacity: float
    busy: float
    idle: Mapping[str, float]
    #: seconds in which Documents waited for memory, and seconds of workers at work meanwhile
    squeezed: float
    beside: float
    #: seconds of cores: used by all processes of the run, waited for, and used by the engine
    cpu: float
    waited: float
    engine: float
    #: memory of all workers: what there was, and most held
    memory: int
    peak: int

    @property
    def used(self) -> float:
        """Share of the cores."""
        return min(1.0, self.cpu / max(self.seconds * self.cores, 1e-9))

    @property
    def wanted(self) -> float:
        """Share of the cores that was used, or would have been had others left them."""
        return demand(self.used, self.waited, self.busy)

    def lost(self, why: Idle) -> float:
        """Share of the workers' time."""
        return self.idle.get(why, 0.0) / max(self.capacity, 1e-9)

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """Raises KeyError or TypeError where it is something else."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Advice:
    """What limited a start, in a word of ours and in sentences for people."""

    #: source, memory, disk, start, work, cores, engine, workers or waiting
    limited_by: str
    sentences: tuple[str, ...]


def demand(used: float, waited: float, busy: float) -> float:
    """Share of the cores in use or wanted.

    ``used`` of them; ``waited`` seconds for one, in ``busy`` seconds of workers. Of workers that
    others keep from the cores that part of the time counts as computing: more of them would wait
    as long.
    """
    return min(1.0, used + min(1.0, waited / max(busy, 1e-9)))


def telling(use: Use) -> bool:
    """Whether it was long enough to say anything."""
    return use.seconds >= SECONDS and use.documents >= DOCUMENTS


def advise(use: Use) -> Advice:
    """What limited it; and whether it had far more memory than it needed."""
    if not telling(use):
        return Advice("work", ("too little was to do to say what limits this run",))
    limited_by, sentence = _limit(use)
    spare = _spare_memory(use) if limited_by != Idle.MEMORY else ""
    return Advice(limited_by, (sentence, spare) if spare else (sentence,))


def _limit(use: Use) -> tuple[str, str]:
    most = max(Idle, key=use.lost)
    if use.lost(most) >= NOTICEABLE:
        return _short_of(most, use)
    if use.wanted >= IN_USE:
        return "cores", _cores(use)
    if use.engine / use.seconds >= IN_USE:
        return "engine", (
            f"limited by the engine: it was busy {_percent(use.engine / use.seconds)} of the time;"
            " more workers would not help"
        )
    if 1 - use.wanted >= IDLE and not use.auto:
        return "workers", _workers(use)
    if use.auto:
        return "waiting", (
            "limited by what documents wait for (a disk, a network, a server): the cores were idle"
            f" {_percent(1 - use.used)} of the time; {_of(use.workers, 'worker')} were best"
        )
    return "cores", _cores(use)


def _short_of(why: Idle, use: Use) -> tuple[str, str]:
    """What the workers waited for."""
    lost = _percent(use.lost(why))
    if why is Idle.MEMORY:
        return why, _memory(use)
    if why is Idle.SOURCE:
        return why, (
            f"limited by the source: workers waited {lost} of the time for files to be found"
        )
    if why is Idle.DISK:
        return why, (
            f"limited by the disk: workers waited {lost} of the time for results to be written"
        )
    if why is Idle.START:
        return why, (
            f"limited by starting: {lost} of the workers' time went by until they had loaded"
        )
    return "work", (
        f"limited by too little work: workers had nothing left to do {lost} of their time;"
        " fewer would have done"
    )


def _cores(use: Use) -> str:
    others = use.wanted - use.used
    if others >= IDLE:
        cores = _of(use.cores, "core")
        return (
            f"limited by cores: other programs had {_percent(others)} of the {cores};"
            " more workers would not help"
        )
    return (
        f"limited by cores: {use.cores} of {use.cores} in use {_percent(use.used)} of the time;"
        " more workers would not help"
    )


def _workers(use: Use) -> str:
    idle = f"limited by workers: the cores were idle {_percent(1 - use.used)} of the time"
    better = _better_number(use)
    if better <= use.workers:
        return f"{idle}, and there is no memory for more"
    part = _part(use.workers / better)
    return f"{idle}; -w {better} may take about {part} of the time (-w auto finds the number)"


def _better_number(use: Use) -> int:
    """As many as the cores would last for, and the memory; no further than a factor of 8."""
    by_cores = use.workers * min(8.0, 0.9 / max(use.wanted, 1e-3))
    each = use.peak * use.capacity / max(use.busy * use.workers, 1e-9) if use.busy else 0
    by_memory = use.memory / each if each else math.inf
    return max((n for n in _NUMBERS if n <= min(by_cores, by_memory)), default=1)


def _memory(use: Use) -> str:
    waited = _percent(use.squeezed / use.seconds)
    said = (
        f"limited by memory: documents waited for memory {waited} of the time;"
        f" peak {size(use.peak)} of {size(use.memory)}"
    )
    beside = use.beside / use.squeezed if use.squeezed else 0
    if beside < 1:
        return f"{said}; more of it would have let all {use.workers} workers run"
    needed = _round(use.memory * use.workers / beside)
    return f"{said}; --memory {needed} would let all {use.workers} workers run"


def _spare_memory(use: Use) -> str:
    if not 0 < use.peak < SPARE * use.memory:
        return ""
    enough = max(64_000_000.0 * use.workers, ROOMY * use.peak)
    if enough > 2 * SPARE * use.memory:
        return ""
    used = f"{size(use.peak)} of {size(use.memory)}"
    return f"memory: {used} were used: --memory {_round(enough)} is enough"


def _round(amount: float) -> str:
    """No less, to two digits: ``1.3GB``, ``640MB``."""
    unit, power = ("GB", 1e9) if amount >= 1e9 else ("MB", 1e6)
    value = amount / power
    step = 10.0 ** (math.floor(math.log10(max(value, 1.0))) - 1)
    return f"{math.ceil(value / step - 1e-9) * step:g}{unit}"


def _part(share: float) -> str:
    return _PARTS.get(round(1 / share), _percent(share))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _of(number: int, what: str) -> str:
    return f"{count(number)} {what}{'' if number == 1 else 's'}"
