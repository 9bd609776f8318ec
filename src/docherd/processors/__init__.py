"""Processors by name or as objects: how one is described in the parent and loaded in a worker.

    extract                 built-in
    package.module:name     importable where the command is run
    file.py:name            a file

From Python the object itself travels, by cloudpickle; what is defined in a script, a notebook or
as a lambda travels by value, so an unguarded script works.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import cast, get_args

from docherd.document import Document
from docherd.exceptions import ProcessorError

#: built-in name → (module, class, one line for `docherd processors`)
BUILTIN = {
    "extract": (
        "docherd.processors.extract",
        "Extract",
        "text, title, authors, dates, language and sizes of PDF, Office, mail, HTML, text ...",
    ),
}

#: most bytes of a pickled object: more is data that belongs in a file
PICKLE_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor as the parent knows it, without having imported it."""

    #: as on the command line; for an object, its qualified name
    name: str
    #: the pickled object; empty where the name says it all
    payload: bytes = b""
    #: hash of the source for objects; named ones are hashed where they are loaded
    fingerprint: str | None = None

    @property
    def builtin(self) -> bool:
        return not self.payload and self.name in BUILTIN

    @property
    def importable(self) -> bool:
        """True where `docherd resume` can find it again by its name."""
        return not self.payload

    @property
    def known_as(self) -> str:
        """The same for the same processor in every run of this user."""
        return self.name if self.importable else f"{self.name} {self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A processor ready to be called, in a worker."""

    call: Callable[[Document], object]
    detect: Callable[[Document], str]
    fingerprint: str
    builtin: bool


# ── in the parent ────────────────────────────────────────────────────────────────────────────


def describe(processor: object) -> Processor:
    """What has to travel to the workers for ``processor``, a name or any callable.

    Raises ProcessorError for a name that is none, and for an object that cannot be pickled.
    """
    if isinstance(processor, str):
        return Processor(_absolute(processor))
    if not callable(processor):
        raise ProcessorError(f"a processor is a function or a name, not {type(processor).__name__}")
    name = _name_of(processor)
    try:
        payload = _pickled(processor, name.partition(":")[0])
    except Exception as error:
        raise ProcessorError(
            f"{name} cannot be sent to a worker ({error}); open files, locks and models inside the"
            " function, or use a class that is built once per worker"
        ) from error
    if len(payload) > PICKLE_LIMIT:
        raise ProcessorError(
            f"{name} carries {len(payload):,} bytes along, over {PICKLE_LIMIT:,};"
            " load large data inside the function or in a class's __init__"
        )
    return Processor(name, payload, fingerprint_of(processor))


def _pickled(processor: object, module_name: str) -> bytes:
    """By reference where a worker can import it, else by value: scripts, notebooks, pytest."""
    import cloudpickle

    module = sys.modules.get(module_name)
    if module is None or module_name == "__main__" or _importable(module):
        return bytes(cloudpickle.dumps(processor))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(processor))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _importable(module: ModuleType) -> bool:
    """True where importing it afresh, by its name, would find the same file."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True  # built into the interpreter
    top, _, below = module.__name__.partition(".")
    specs = (finder.find_spec(top, None) for finder in sys.meta_path)
    if (spec := next(filter(None, specs), None)) is None:
        return False
    if not below:
        return bool(spec.origin == file)
    folders = spec.submodule_search_locations or ()
    return any(Path(file).is_relative_to(folder) for folder in folders)


def _absolute(name: str) -> str:
    """The name with a file's path made absolute; raises ProcessorError where it cannot be meant."""
    if name in BUILTIN:
        return name
    module, colon, attribute = name.rpartition(":")
    if not colon or not module or not attribute:
        import difflib

        near = difflib.get_close_matches(name, BUILTIN, 1)
        hint = f"did you mean {near[0]}?" if near else "docherd processors lists the built-in ones"
        raise ProcessorError(
            f"no processor {name!r}: {hint} Your own is file.py:name or package.module:name"
        )
    if not module.endswith(".py"):
        return name
    path = Path(module).absolute()
    if not path.is_file():
        raise ProcessorError(f"no processor file {module}: -p takes file.py:name")
    return f"{path}:{attribute}"


def _name_of(processor: object) -> str:
    named = processor if hasattr(processor, "__qualname__") else type(processor)
    module, name = getattr(named, "__module__", "?"), getattr(named, "__qualname__", "?")
    return f"{module}:{name}"


# ── in a worker ──────────────────────────────────────────────────────────────────────────────


def load(name: str, payload: bytes, passwords: Sequence[str]) -> Loaded:
    """Find, import and (a class) build the processor; what that raises is the user's to read."""
    from docherd.processors.kind import detect

    if name in BUILTIN and not payload:
        module, attribute, _ = BUILTIN[name]
        made = getattr(importlib.import_module(module), attribute)
        return Loaded(made(tuple(passwords)), detect, f"{name}/{made.VERSION}", builtin=True)
    if payload:
        import pickle

        found = pickle.loads(payload)  # noqa: S301 - from our own parent, never from a worker
    else:
        found = _find(name)
    # An object's was taken where its source is: here, __main__ is another file.
    fingerprint = "" if payload else fingerprint_of(found)
    built = found() if inspect.isclass(found) else found
    return Loaded(_with_argument(built), detect, fingerprint, builtin=False)


def _find(name: str) -> object:
    module_name, _, attribute = name.rpartition(":")
    file = module_name.endswith(".py")
    module = _from_file(Path(module_name)) if file else importlib.import_module(module_name)
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ProcessorError(f"{module_name} has no {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        raise ProcessorError(f"{name} is {type(found).__name__}, not a function or class")
    return found


def _from_file(path: Path) -> ModuleType:
    """Import a file, with the files beside it importable too.

    Under a name of its own: a user's json.py must not become everybody's json.
    """
    sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"processor_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ProcessorError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def _with_argument(call: object) -> Callable[[Document], object]:
    """``call`` with what its parameter asks for: the Document, its path as str, else as Path."""
    function = cast("Callable[[object], object]", call)
    wanted = _annotation(call)
    if wanted is Document:
        return function
    if wanted is str:
        return lambda document: function(str(document.path))
    return lambda document: function(document.path)


def _annotation(call: object) -> object:
    """Document or str where the first parameter is annotated so, else None."""
    with contextlib.suppress(TypeError, ValueError):
        signature = inspect.signature(cast("Callable[..., object]", call))
        first = next(iter(signature.parameters.values()), None)
        raw = first.annotation if first else None
        # `from __future__ import annotations` keeps text, and other annotations beside this one
        # may not resolve at run time: the name alone decides.
        names = raw.split("|") if isinstance(raw, str) else [raw, *get_args(raw)]
        for name in names:
            last = name.strip(" '\"").rpartition(".")[2] if isinstance(name, str) else name
            if last in (Document, "Document"):
                return Document
            if last in (str, "str"):
                return str
    return None


# ── fingerprints, both sides ─────────────────────────────────────────────────────────────────


def fingerprint_of(processor: object) -> str:
    """16 hex digits that change with the processor's own source, or its code and plain arguments.

    A function or class: its source. A partial, bound method, closure or instance: also the
    JSON-like values it carries.
    """
    digest = hashlib.blake2b(digest_size=8)
    for piece in _pieces(processor, 0):
        digest.update(piece.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _pieces(thing: object, depth: int) -> list[str]:  # noqa: PLR0911 - one per kind of thing
    if thing is None or isinstance(thing, str | int | float | bool):
        return [repr(thing)]
    if depth > 5:  # deep, or a function that holds itself: never an address
        return [_plain(thing)]
    if isinstance(thing, list | tuple):
        return [piece for each in thing for piece in _pieces(each, depth + 1)]
    if isinstance(thing, dict):
        return [
            p for k in sorted(thing, key=repr) for p in (repr(k), *_pieces(thing[k], depth + 1))
        ]
    if inspect.isfunction(thing):
        cells = inspect.getclosurevars(thing).nonlocals if thing.__closure__ else {}
        return [_source(thing), *_pieces(thing.__defaults__, depth), *_pieces(cells, depth + 1)]
    if inspect.ismethod(thing):
        return _pieces(thing.__func__, depth) + _pieces(thing.__self__, depth + 1)
    if inspect.isclass(thing):
        return [_source(thing)]
    if hasattr(thing, "func") and hasattr(thing, "keywords"):  # functools.partial
        parts = (thing.func, thing.args, thing.keywords)  # type: ignore[attr-defined]
        return _pieces(parts, depth + 1)
    return [_source(type(thing)), *_pieces(getattr(thing, "__dict__", None), depth + 1)]


def _plain(thing: object) -> str:
    try:
        return json.dumps(thing, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return _name_of(thing)


def _source(thing: object) -> str:
    code = getattr(thing, "__code__", None)
    if code is not None and code.co_name == "<lambda>":  # its source is the whole line around it
        return _code(code)
    # A file that was edited since may end in the middle of anything.
    with contextlib.suppress(OSError, TypeError, SyntaxError, tokenize.TokenError):
        return inspect.getsource(thing)  # type: ignore[arg-type]
    if code is not None:
        return _code(code)
    methods = [each.__code__ for each in vars(thing).values() if inspect.isfunction(each)]
    return repr((_name_of(thing), [_code(each) for each in methods]))


def _code(code: CodeType) -> str:
    """Bytecode and constants, without addresses and in an order that hashing does not change."""
    consts = [
        _code(each)
        if isinstance(each, CodeType)
        else repr(sorted(map(repr, each)) if isinstance(each, frozenset) else each)
        for each in code.co_consts
    ]
    return repr((code.co_code, consts, code.co_names))
