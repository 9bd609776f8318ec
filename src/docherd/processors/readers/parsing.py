"""How a library's complaint about a Document becomes the Document's reason."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from docherd.exceptions import CorruptError


@contextmanager
def corrupt_on(*errors: type[Exception]) -> Iterator[None]:
    """Turn ``errors`` raised inside into CorruptError, with their message on one line."""
    try:
        yield
    except errors as error:
        # EINVAL is a seek to where a lying file pointed; any other errno is the disk speaking.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise CorruptError(one_line(error)) from error


def one_line(error: BaseException) -> str:
    """What an exception says, on one line of at most 300 characters; its type where it is mute."""
    # Messages may quote the file, by the megabyte: cut before splitting.
    return " ".join(str(error)[:2000].split())[:300] or type(error).__name__
