"""As many threads as a worker's share of the cores, in libraries that no variable tells so.

OpenBLAS, MKL and OpenMP read the environment. onnxruntime does not: each session starts as many
threads as there are cores, and so N workers N times as many. A session that is not told how many
gets the share; one that is told keeps what it was told.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Protocol


def limit(threads: int) -> None:
    """Sessions of onnxruntime, should anybody import it, use ``threads`` threads."""
    sys.meta_path.insert(0, _Finder(threads))


class _Finder:
    """Sees onnxruntime being imported, once."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "onnxruntime":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            loaded = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                loaded(module)
                _share(module, self._threads)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class _Options(Protocol):
    intra_op_num_threads: int


def _share(onnxruntime: ModuleType, threads: int) -> None:
    session = onnxruntime.InferenceSession
    made = session.__init__

    def init(
        self: object, model: object, sess_options: _Options | None = None, *a: object, **k: object
    ) -> None:
        options: _Options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.intra_op_num_threads or threads
        made(self, model, options, *a, **k)

    session.__init__ = init
