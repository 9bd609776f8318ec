"""Pebble: ProcessPool.map."""

from pebble import ProcessPool

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    with ProcessPool(max_workers=workers) as pool:
        return sum(1 for _ in pool.map(process_document, paths).result())


if __name__ == "__main__":
    contend(process_all)
