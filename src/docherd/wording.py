"""Sentences about a run, the same on the screen, in the log and in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docherd.model import Counts, Outcome, Reason, Snapshot, Status, printable
from docherd.plan import Foretold
from docherd.units import count, duration, estimate, rate, share, size

#: what each reason means to a person; the word itself is what is typed after --reason
MEANING: Mapping[Reason, str] = {
    Reason.ERROR: "the processor raised an exception",
    Reason.TIMEOUT: "took longer than its time limit and was stopped",
    Reason.STALLED: "was at work, then gave no sign of life for too long and was stopped",
    Reason.MEMORY: "needed more memory than there was and was stopped",
    Reason.CRASH: "crashed the worker process (a signal, or broken output)",
    Reason.EXIT: "the worker process left without a result",
    Reason.OUTPUT_TOO_LARGE: "the result is larger than the limit",
    Reason.RESULT_INVALID: "the processor returned something that is not JSON-like",
    Reason.INTERRUPTED: "was in hand when the whole run died",
    Reason.ENCRYPTED: "needs a password",
    Reason.CORRUPT: "is damaged: not what its format demands",
    Reason.INPUT_MISSING: "was there when the folder was read, then was not",
    Reason.INPUT_CHANGED: "changed while it was being read",
    Reason.INPUT_UNREADABLE: "cannot be read: permissions, or an I/O error",
    Reason.UNSUPPORTED: "is of a kind this processor does not read",
    Reason.TOO_LARGE: "is larger than this processor takes",
    Reason.EMPTY: "has no content",
    Reason.SYMLINK: "is a symbolic link: not followed",
    Reason.SPECIAL: "is a FIFO, socket or device: never opened",
    Reason.HIDDEN: "is a hidden or temporary file (take them with --hidden)",
    Reason.PATH_TOO_LONG: "has a path longer than the system opens",
}


def documents(number: int) -> str:
    """``1 document``, ``12,345 documents``."""
    return f"{count(number)} document{'' if number == 1 else 's'}"


def records(number: int) -> str:
    """``1 Record``, ``12,345 Records``."""
    return f"{count(number)} Record{'' if number == 1 else 's'}"


def finished(counts: Counts) -> int:
    """Documents no further attempt is due for, whatever came of them."""
    return counts.discovered - counts.pending


def verdict(state: str, counts: Counts, seconds: float) -> str:
    """How the run ended in one sentence, without the full stop."""
    parts = [f"{count(counts.done)} of {documents(counts.discovered)} done"]
    for status in (Status.FAILED, Status.SKIPPED, Status.PENDING, Status.GONE):
        number = getattr(counts, status.value)
        if number:
            parts.append(f"{count(number)} {_STANDING[status]}")
    sentence = ", ".join(parts) + f", in {duration(seconds)}"
    return sentence if state == "finished" else f"{state.capitalize()}: {sentence}"


def headline(state: str, counts: Counts) -> str:
    """The same for a page, without the time: ``4,812 of 5,000 documents are done; 37 failed``."""
    if not counts.discovered:
        return _NOTHING.get(state, "No documents were found")
    became = {
        status: (number, words[number != 1])
        for status, words in _BECAME.items()
        if (number := getattr(counts, status.value))
    }
    if len(became) == 1:
        all_of_them = f"All {documents(counts.discovered)}"
        whole = "The one document" if counts.discovered == 1 else all_of_them
        sentence = " ".join([whole, *(words for _, words in became.values())])
    else:
        done, are = became.pop(Status.DONE, (0, "is done"))
        some = count(done) if done else "None"
        rest = [f"{count(number)} {words}" for number, words in became.values()]
        sentence = f"{some} of {documents(counts.discovered)} {are}; {_listed(rest)}"
    return {"running": "Still running: ", "interrupted": "Interrupted: "}.get(state, "") + sentence


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


_NOTHING = {
    "running": "Still running: no document found yet",
    "interrupted": "Interrupted before a document was found",
}
#: what became of one, and of several
_BECAME: Mapping[Status, tuple[str, str]] = {
    Status.DONE: ("is done", "are done"),
    Status.FAILED: ("failed", "failed"),
    Status.SKIPPED: ("was skipped", "were skipped"),
    Status.PENDING: ("is still to do", "are still to do"),
    Status.GONE: ("is no longer there", "are no longer there"),
}
_STANDING = {
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.PENDING: "still to do",
    Status.GONE: "no longer there",
}


def failures(counts: Counts, reasons: Mapping[Reason, int], most: int = 3) -> str:
    """``12 failed: 10 timeout, 2 crash``, or "" where nothing failed."""
    if not counts.failed:
        return ""
    ranked = sorted(
        ((n, r) for r, n in reasons.items() if n and not r.skips), key=lambda p: (-p[0], p[1])
    )
    named = [f"{count(number)} {reason}" for number, reason in ranked[:most]]
    rest = sum(number for number, _ in ranked[most:])
    named += [f"{count(rest)} other"] if rest else []
    return f"{count(counts.failed)} failed" + (f": {', '.join(named)}" if named else "")


def progress(snapshot: Snapshot) -> str:
    """``12,345 of 50,000 documents (24.7 %)``; while walking, the total is "so far"."""
    counts = snapshot.counts
    total = f"{documents(counts.discovered)}{' so far' if snapshot.walking else ''}"
    return f"{count(finished(counts))} of {total} ({share(finished(counts), counts.discovered)})"


def pace(snapshot: Snapshot) -> list[str]:
    """The rate and the ETA with its range, as far as they are known."""
    parts = [rate(snapshot.rate)] if snapshot.rate else []
    if snapshot.eta and snapshot.state == "running":
        eta = snapshot.eta
        parts.append(f"ETA {estimate(eta.seconds, eta.low, eta.high)}")
    return parts


def workers(snapshot: Snapshot) -> str:
    """``8 workers (auto)``, or "" where their number does not change."""
    if not snapshot.auto:
        return ""
    return f"{count(snapshot.workers)} worker{'' if snapshot.workers == 1 else 's'} (auto)"


def foretold(what: Foretold) -> str:
    """``expected: 12,431 documents in about 2 h (1 h 50 min to 2 h 40 min), 3.1 GB of ...``."""
    time = what.time
    return (
        f"expected: {documents(what.documents)} in about {duration(time.middle)}"
        f" ({duration(time.low)} to {duration(time.high)}), {size(what.output.middle)} of Records;"
        f" {size(what.free)} are free"
    )


def ending(outcome: Outcome) -> str:
    """``timeout: folder/a.pdf: over 300 s``, on one printable line, for what is not done."""
    what = str(outcome.reason or outcome.status)
    retried = " (to be tried again)" if outcome.status is Status.PENDING else ""
    message = f": {outcome.message}" if outcome.message else ""
    return printable(f"{what}{retried}: {outcome.task.path}{message}")
