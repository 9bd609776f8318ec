"""What makes a run the same run: inputs, filters, processor, and the options results depend on.

Workers, memory, timeout, limit and display never count.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, cast

from docherd.exceptions import UsageError
from docherd.model import Root, printable, text_of
from docherd.sinks.columns import Column
from docherd.version import __version__
from docherd.walk import root_as_json, root_from_json

#: the format in which a segment is a part as it is
JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class About:
    """What run.json pins: the same folder with another of these is another run."""

    inputs: tuple[Root, ...]
    #: path of a list of files, "-" for standard input, None without one
    files_from: str | None
    null: bool
    processor: str
    fingerprint: str
    #: False for an object that only the calling program has
    importable: bool
    #: options that results depend on
    pinned: Mapping[str, object]
    #: all options as last given, for `resume`
    options: Mapping[str, object]
    #: folder that relative names in the list are meant from
    base: str = ""
    run: str = ""
    created: str = ""
    #: (name, type) of each column, once a first part has fixed them
    columns: tuple[Column, ...] | None = None

    @property
    def format(self) -> str:
        """What results are kept as."""
        return str(self.pinned["format"])

    def as_json(self) -> dict[str, object]:
        return {
            "docherd": __version__,
            "run": self.run,
            "created": self.created,
            "inputs": [root_as_json(root) for root in self.inputs],
            "files_from": self.files_from,
            "null": self.null,
            "base": self.base,
            "processor": {
                "name": self.processor,
                "fingerprint": self.fingerprint,
                "importable": self.importable,
            },
            "pinned": dict(self.pinned),
            "options": dict(self.options),
            "columns": self.columns and [list(each) for each in self.columns],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Self:
        processor = cast("Mapping[str, object]", raw["processor"])
        return cls(
            inputs=tuple(map(root_from_json, cast("list[dict[str, object]]", raw["inputs"]))),
            files_from=cast("str | None", raw["files_from"]),
            null=cast("bool", raw["null"]),
            processor=cast("str", processor["name"]),
            fingerprint=cast("str", processor["fingerprint"]),
            importable=cast("bool", processor["importable"]),
            pinned={**_FIRST, **cast("Mapping[str, object]", raw["pinned"])},
            options=cast("Mapping[str, object]", raw["options"]),
            base=cast("str", raw["base"]),
            run=cast("str", raw["run"]),
            created=cast("str", raw["created"]),
            columns=_columns(raw.get("columns")),
        )


#: what was pinned before there was a choice
_FIRST: dict[str, object] = {"format": JSONL}


def _columns(raw: object) -> tuple[Column, ...] | None:
    return None if raw is None else tuple(Column(*each) for each in cast("list[list[str]]", raw))


def agree(old: About, new: About, *, add: bool, new_processor: bool) -> About:
    """The identity of a run that is started again with what was asked for now.

    ``add`` takes further inputs in; ``new_processor`` accepts a changed one (`retry`). Raises
    UsageError where the call means another run.
    """
    ways = "give a new -o, or --fresh to throw the old results away"
    if (new.files_from, new.null) != (old.files_from, old.null):
        raise UsageError(f"this run was started with another --files-from; {ways}")
    if not new_processor and new.fingerprint != old.fingerprint:
        raise UsageError(
            f"this run was made by {_named(old)}, not by {_named(new)}; {ways}"
            " (docherd retry takes a changed processor for the failed documents)"
        )
    for name, value in old.pinned.items():
        if (asked := new.pinned.get(name)) != value:
            flag = f"--{name.replace('_', '-')}"
            differs = _difference(value, asked)
            raise UsageError(f"this run was started with {flag} {differs}; {ways}")
    return replace(
        old,
        inputs=_inputs(old.inputs, new.inputs, add=add, ways=ways),
        processor=new.processor,
        fingerprint=new.fingerprint,
        importable=new.importable,
        options=new.options,
        base=new.base or old.base,
    )


def _difference(old: object, new: object) -> str:
    """What it was and what it is now; of long lists (`--exclude-from`) only what differs."""
    if not (isinstance(old, list) and isinstance(new, list) and len(old) + len(new) > _FEW):
        return f"{old!r}, not {new!r}"
    sides = [("without", new, old), ("with", old, new)]
    odd = [(word, [each for each in there if each not in here]) for word, there, here in sides]
    said = [f"{word} {', '.join(map(repr, some[:3]))}" for word, some in odd if some]
    return f"globs {' and '.join(said) or 'in another order'}"


#: globs that are shown whole
_FEW = 8


def _named(about: About) -> str:
    return f"{about.processor} ({about.fingerprint})"


def _inputs(
    old: tuple[Root, ...], new: tuple[Root, ...], *, add: bool, ways: str
) -> tuple[Root, ...]:
    """The pinned inputs, with their labels, and the added ones behind them."""
    known = {_place(root) for root in old}
    further = [root for root in new if _place(root) not in known]
    if not add and (further or len(new) < len(old)):
        odd = (
            further[0]
            if further
            else next(r for r in old if _place(r) not in set(map(_place, new)))
        )
        where = "is not an input of" if further else "is missing from the inputs of"
        raise UsageError(
            f"{printable(text_of(odd.folder))} {where} this run; {ways}, or --add to take further"
            " inputs in"
        )
    inputs = list(old)
    for root in further:
        inputs.append(replace(root, label=_free_label(root.label, inputs)))
    return tuple(inputs)


def _place(root: Root) -> tuple[bytes, tuple[bytes, ...] | None, str | None]:
    return root.folder, root.names, root.pattern


def _free_label(label: bytes, taken: list[Root]) -> bytes:
    used = {root.label for root in taken}
    if label not in used:
        return label
    plain = label.rsplit(b"~", 1)[0] if label.rpartition(b"~")[2].isdigit() else label
    numbered = (plain if n == 1 else b"%s~%d" % (plain, n) for n in itertools.count(1))
    return next(each for each in numbered if each not in used)
