"""Faults that raise."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import NoReturn

from docherd.document import Document
from docherd.testing.fault import MB, amount, word
from docherd.testing.hangs import spin


class TwoArguments(Exception):
    """Cannot be made again from its own arguments: a pool that pickles it breaks."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Text(Exception):
    """Its text is whatever the given call returns, raises or never returns."""

    def __init__(self, text: Callable[[], str]) -> None:
        super().__init__()
        self._text = text

    def __str__(self) -> str:
        return self._text()


def error(document: Document) -> NoReturn:
    """An ordinary error: ValueError, or the built-in exception whose name is in the file."""
    kind = getattr(builtins, word(document, ""), None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        raise kind("nothing in it")
    raise ValueError("nothing in it")


def memory_error(document: Document) -> NoReturn:
    """What Python raises where the system gives it no memory."""
    raise MemoryError


def sysexit(document: Document) -> NoReturn:
    """sys.exit with code 0, or that one."""
    sys.exit(amount(document, 0))


def sysexit_message(document: Document) -> NoReturn:
    """sys.exit with a text"""
    sys.exit("cannot go on")


def keyboard_interrupt(document: Document) -> NoReturn:
    """As if Ctrl-C had been pressed: the run itself must go on."""
    raise KeyboardInterrupt


def generator_exit(document: Document) -> NoReturn:
    """GeneratorExit"""
    raise GeneratorExit


def base_exception(document: Document) -> NoReturn:
    """A class that `except Exception` does not catch."""
    raise BaseException("from the very bottom")


def two_args(document: Document) -> NoReturn:
    """An exception that cannot be rebuilt elsewhere."""
    raise TwoArguments("this", "that")


def str_raises(document: Document) -> NoReturn:
    """An exception that raises when it is asked for its text."""
    raise Text(lambda: error(document))


def str_exits(document: Document) -> NoReturn:
    """An exception that leaves when it is asked for its text."""
    raise Text(lambda: sys.exit(0))


def str_huge(document: Document) -> NoReturn:
    """An exception whose text has 100 MB, or so many."""
    size = amount(document, 100) * MB
    raise Text(lambda: "x" * size)


def str_loops(document: Document) -> NoReturn:
    """An exception that never finishes its text."""
    raise Text(lambda: spin(document))
