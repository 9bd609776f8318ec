"""Names of files in data/ that mirror the inputs, for every disk and whatever a Document is called.

A name is the path of the Document with its own extension kept and one of ours behind it:
``letters/a.pdf.txt``. Whatever some system refuses or misreads becomes ``_``, and the id of the
Document is put behind it. So is that of the later of two whose names a disk could take for one
(``A`` and ``a``, ``é`` in one character or in two): they have the same ``folded``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator

#: what a Document's file may end with
SUFFIXES = (".txt", ".md", ".json")
#: most bytes of one name between slashes, and of all of it: data/ itself needs some of the 4,096
COMPONENT, WHOLE = 200, 1000

#: what Windows refuses, and the backslash, which it takes for a slash
_REFUSED = frozenset('<>:"|?*\\/')
#: not assigned, private, surrogates, controls, bidirectional overrides, line separators
_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
#: devices of Windows, with whatever extension
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.I | re.S)


def candidates(path: str, document: str, suffix: str) -> Iterator[str]:
    """Names for a Document, the best first: the caller takes one that nobody else has."""
    components = [each for each in path.split("/") if each]
    *folders, file = components or [""]
    folders = [_folder(each) for each in folders]
    plain = _joined(folders, _fitted(_safe(file), suffix), document)
    if plain == "/".join(components) + suffix:  # else another Document's could become the same
        yield plain
    for number in itertools.count(1):
        mark = f"~{document}" if number == 1 else f"~{document}-{number}"
        yield _joined(folders, _fitted(_safe(file), mark + suffix), document)


def own(path: str, document: str) -> Iterator[str]:
    """Every name that is this Document's and no other's, whatever it became."""
    for suffix in SUFFIXES:
        first, second = itertools.islice(candidates(path, document, suffix), 2)
        yield first
        if f"~{document}{suffix}" in second:
            yield second


def folded(name: str) -> str:
    """The same for all names that some disk takes for one: it folds more than any disk does."""
    plain = unicodedata.normalize("NFKD", name).upper().casefold()
    return unicodedata.normalize("NFKD", plain)


def _safe(component: str) -> str:
    """A component that every system takes as it is."""
    safe = "".join("_" if _odd(char) else char for char in component)
    if safe.endswith((".", " ")):
        safe = safe[:-1] + "_"
    return f"_{safe}" if not safe or _DEVICE.fullmatch(safe) else safe


def _odd(char: str) -> bool:
    return char in _REFUSED or unicodedata.category(char) in _CATEGORIES


def _folder(component: str) -> str:
    """As ``_safe``; never what a file of ours could be called."""
    safe = _safe(component)
    return _fitted(safe, "_" if folded(safe).endswith(SUFFIXES) else "")


def _fitted(component: str, ending: str) -> str:
    """With this ending, and no longer than a name may be; what was cut off leaves a hash."""
    raw = component.encode()
    if len(raw) + len(ending.encode()) <= COMPONENT:
        return component + ending
    mark = "~" + hashlib.blake2b(raw, digest_size=5).hexdigest()
    room = COMPONENT - len(mark) - len(ending.encode())
    return raw[:room].decode(errors="ignore") + mark + ending


def _joined(folders: list[str], file: str, document: str) -> str:
    """The whole name; one that is too long lies in a folder for such."""
    name = "/".join((*folders, file))
    if len(name.encode()) <= WHOLE:
        return name
    return f"~/{document}/{file}"
