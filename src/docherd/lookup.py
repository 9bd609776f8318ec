"""The Document that a person means by what was typed."""

from __future__ import annotations

import base64
import difflib
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from docherd.globs import Wanted
from docherd.model import Root, text_of
from docherd.readonly import ReadOnly

_ID_LETTERS = 16
#: names compared with one that nothing matches: 20 us each
COMPARED = 50_000
#: names said to be like one that nothing matches
NEAR = 5


class Likely(NamedTuple):
    """Documents that may be meant, by their paths in Records."""

    #: the first of those that match
    paths: list[str]
    #: how many match
    number: int
    #: paths like it, where nothing matches
    near: list[str]


class Lookup:
    """Names to Documents, in one run."""

    def __init__(self, ledger: ReadOnly, roots: Sequence[Root]) -> None:
        self._ledger = ledger
        self._roots = roots

    def exactly(self, key: str) -> int | None:
        """The row of the Document with this path in Records, this file, or these 16 letters."""
        found = self._by_path(key)
        return self._by_id(key) if found is None and len(key) == _ID_LETTERS else found

    def like(self, key: str, most: int) -> Likely:
        """Documents that match a glob, or are called ``key``, or else have it in their path.

        Reads every name: about 1 s a million.
        """
        by_end, within = _Found(most), _Found(most)
        wanted = Wanted((key,), ()) if re.search(r"[*?\[]", key) else None
        bare, folded = key.strip("/"), key.casefold()
        for path, below in self._names():
            if wanted is not None:
                if wanted.passes(below) or wanted.passes(path.encode()):
                    within.add(path)
            elif path.endswith(f"/{bare}") or bare in (path, _stem(path)):
                by_end.add(path)
            elif folded in path.casefold():
                within.add(path)
        best = by_end if by_end.number else within
        near = [] if best.number else self._near(key)
        return Likely(best.paths, best.number, near)

    def _near(self, key: str) -> list[str]:
        """Paths that a slip of the fingers could have made ``key`` of, the nearest first."""
        names = itertools.islice(self._names(), COMPARED)
        if "/" in key:
            return difflib.get_close_matches(key, (path for path, _ in names), NEAR)
        paths: dict[str, str] = {}
        for path, _ in names:
            paths.setdefault(path.rpartition("/")[2], path)
        return [paths[name] for name in difflib.get_close_matches(key, paths, NEAR)]

    def _names(self) -> Iterator[tuple[str, bytes]]:
        """(path in Records, path below its input) of every Document."""
        labels = [root.label + b"/" for root in self._roots]
        for root, path in self._ledger.rows("select root, path from document order by id"):
            if 0 <= root < len(labels):
                yield text_of(labels[root] + path), path

    def _by_path(self, key: str) -> int | None:
        for name in _spellings(key):
            for index, root in enumerate(self._roots):
                for prefix in (root.label + b"/", root.folder.rstrip(b"/") + b"/"):
                    if not name.startswith(prefix):
                        continue
                    rows = self._ledger.rows(
                        "select id from document where root = ? and path = ?",
                        index,
                        name[len(prefix) :],
                    )
                    for (found,) in rows:
                        return int(found)
        return None

    def _by_id(self, key: str) -> int | None:
        """No index on a hash (random writes at millions of rows): about 1 s a million."""
        try:
            wanted = base64.b32decode(key.upper())
        except ValueError:
            return None
        # The same hash as model.document_id, with what all names of a root share hashed once.
        bases = [hashlib.blake2b(root.label + b"\0", digest_size=10) for root in self._roots]
        for found, root, path in self._ledger.rows("select id, root, path from document"):
            digest = bases[root].copy()
            digest.update(path)
            if digest.digest() == wanted:
                return int(found)
        return None


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


class _Found:
    """The first few that match, and how many do."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.paths: list[str] = []
        self.number = 0

    def add(self, path: str) -> None:
        self.number += 1
        if self.number <= self._most:
            self.paths.append(path)


def _spellings(key: str) -> Iterator[bytes]:
    """The bytes ``key`` may stand for: itself, as it was printed, as a path from here."""
    name = os.fsencode(key)
    yield name
    yield _PRINTED.sub(_unprinted, name)
    yield os.fsencode(Path(key).absolute())


#: what text_of and printable make of bytes and letters that cannot be shown
_PRINTED = re.compile(rb"\\(?:x([0-9a-f]{2})|(?:u|U000)([0-9a-f]{4,5})|([nrt]))")


def _unprinted(match: re.Match[bytes]) -> bytes:
    byte, letter, control = match.groups()
    if byte:
        return bytes.fromhex(byte.decode())
    if letter:
        return chr(int(letter, 16)).encode("utf-8", "surrogatepass")
    return {b"n": b"\n", b"r": b"\r", b"t": b"\t"}[control]
