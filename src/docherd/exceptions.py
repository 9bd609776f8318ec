"""Everything docherd raises, and the exit code each carries.

DocherdError                         exit code
├── UsageError                       2    a wrong option, input or processor; nothing was touched
│   └── ProcessorError               2    the processor cannot be found, loaded or sent to a worker
├── EnvironmentFault                 3    disk full, unwritable, I/O error, workers cannot start
├── DamageError                      4    ledger or output damaged, missing or from a newer version
├── NothingFound                     5    no Document in the inputs
├── RunLocked                        6    another process holds this run folder
├── PolicyStop                       7    --max-failures, or too many crashes in a row
└── DocumentError                    -    raised by a processor about the Document in hand
    ├── EncryptedError                    failed: encrypted
    ├── CorruptError                      failed: corrupt
    ├── EmptyError                        skipped: empty
    ├── TooLargeError                     skipped: too_large
    └── UnsupportedError                  skipped: unsupported

A message is one line that says what is wrong and what to type next. The codes are a stable
interface: treat an unknown one as failure.
"""

from __future__ import annotations

from pathlib import Path

from docherd.model import Reason

FINISHED = 0
SOME_FAILED = 1
INTERNAL = 70


class DocherdError(Exception):
    """The root of everything docherd raises on purpose."""

    exit_code = INTERNAL


class UsageError(DocherdError):
    """A wrong option, input or processor; nothing was touched."""

    exit_code = 2


class ProcessorError(UsageError):
    """The processor cannot be found, loaded or sent to a worker."""


class EnvironmentFault(DocherdError):
    """The machine said no (disk full, unwritable, workers cannot start); resuming is safe."""

    exit_code = 3


class DamageError(DocherdError):
    """Ledger and output disagree, or the ledger is unreadable; nothing was changed."""

    exit_code = 4


def mendable(what: str, out: Path) -> DamageError:
    """Damage in a run folder that `docherd repair` mends."""
    return DamageError(f"{what}; nothing was changed. To mend it: docherd repair {out}")


class NothingFound(DocherdError):
    """The inputs hold no Document."""

    exit_code = 5


class RunLocked(DocherdError):
    """Another process holds the run folder."""

    exit_code = 6


class PolicyStop(DocherdError):
    """The run was stopped by a rule; what was not reached stays pending."""

    exit_code = 7


class DocumentError(DocherdError):
    """Raised by a processor to say why this Document has no result; never ends a run."""

    reason: Reason


class EncryptedError(DocumentError):
    """The Document needs a password that was not given."""

    reason = Reason.ENCRYPTED


class CorruptError(DocumentError):
    """The Document is not what its format demands, so nothing can be read."""

    reason = Reason.CORRUPT


class EmptyError(DocumentError):
    """The Document has no bytes."""

    reason = Reason.EMPTY


class TooLargeError(DocumentError):
    """The Document is larger than this processor takes."""

    reason = Reason.TOO_LARGE


class UnsupportedError(DocumentError):
    """The Document is of a kind this processor does not read."""

    reason = Reason.UNSUPPORTED
