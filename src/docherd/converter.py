"""The process that makes of a segment what its format wants: ``python -P -m docherd.converter``.

Standard input and output are nameless files: what is asked, and the answer (conversion).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from docherd import host
from docherd.conversion import Answer, Asked
from docherd.exceptions import DamageError


def main() -> None:
    host.tie_to_parent(int(sys.argv[1]))
    asked = Asked.from_json(json.loads(sys.stdin.buffer.read()))
    try:
        answer = task(sys.argv[2])(asked)
    except DamageError as error:
        answer = {"damage": str(error)}
    except OSError as error:
        answer = {"errno": error.errno or 5, "error": error.strerror or str(error)}
    sys.stdout.write(json.dumps(answer))


def task(name: str) -> Callable[[Asked], Answer]:
    """Imported here: pyarrow is not needed for all of them."""
    if name == "files":
        from docherd.sinks import files

        return files.convert
    from docherd.sinks import parquet

    return {
        "parquet": parquet.convert,
        "shorter": parquet.shorten,
        "intact": parquet.salvage,
        "nothing": parquet.nothing,
    }[name]


if __name__ == "__main__":
    main()
