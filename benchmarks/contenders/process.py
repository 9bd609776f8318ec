"""docherd.process: Results as they complete, each one's value decoded."""

from collections.abc import Iterator

import docherd
from benchmarks.contenders.contend import Function, contend_stream


def process_all(paths: Iterator[str], process_document: Function, workers: int) -> int:
    results = docherd.process(paths, process_document, workers=workers)
    values = (result.value for result in results if result.ok)
    return sum(1 for _ in values)


if __name__ == "__main__":
    contend_stream(process_all)
