"""docherd runs a document processor over millions of files and loses none of them.

    import docherd
    summary = docherd.run("docs/", "out/", processor=process_single, workers=4)
    for result in docherd.process(paths, process_single, workers=4): ...
    docherd.open("out/").records()

The names below are the public surface; each is imported when it is first used, because every
worker imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docherd.version import __version__

if TYPE_CHECKING:
    from docherd.api import open as open
    from docherd.api import process as process
    from docherd.api import process_chunks as process_chunks
    from docherd.api import run as run
    from docherd.document import Document as Document
    from docherd.exceptions import CorruptError as CorruptError
    from docherd.exceptions import DamageError as DamageError
    from docherd.exceptions import DocherdError as DocherdError
    from docherd.exceptions import DocumentError as DocumentError
    from docherd.exceptions import EmptyError as EmptyError
    from docherd.exceptions import EncryptedError as EncryptedError
    from docherd.exceptions import EnvironmentFault as EnvironmentFault
    from docherd.exceptions import NothingFound as NothingFound
    from docherd.exceptions import PolicyStop as PolicyStop
    from docherd.exceptions import ProcessorError as ProcessorError
    from docherd.exceptions import RunLocked as RunLocked
    from docherd.exceptions import TooLargeError as TooLargeError
    from docherd.exceptions import UnsupportedError as UnsupportedError
    from docherd.exceptions import UsageError as UsageError
    from docherd.job import Summary as Summary
    from docherd.model import Counts as Counts
    from docherd.model import Reason as Reason
    from docherd.model import Status as Status
    from docherd.opened import Run as Run
    from docherd.remembered import Failure as Failure
    from docherd.result import Result as Result
    from docherd.stream import Stream as Stream

_HOME = {
    **dict.fromkeys(("run", "process", "process_chunks", "open"), "api"),
    "Run": "opened",
    "Failure": "remembered",
    "Result": "result",
    "Stream": "stream",
    "Summary": "job",
    "Counts": "model",
    "Document": "document",
    "Reason": "model",
    "Status": "model",
    **dict.fromkeys(
        (
            *("DocherdError", "UsageError", "ProcessorError", "EnvironmentFault", "DamageError"),
            *("NothingFound", "RunLocked", "PolicyStop", "DocumentError", "EncryptedError"),
            *("CorruptError", "EmptyError", "TooLargeError", "UnsupportedError"),
        ),
        "exceptions",
    ),
}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 - strings, from the one table


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'docherd' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"docherd.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
