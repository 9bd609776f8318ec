"""Dask: a bag of paths, computed by processes of this machine."""

import dask.bag

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    results = dask.bag.from_sequence(paths).map(process_document)
    return len(results.compute(scheduler="processes", num_workers=workers))


if __name__ == "__main__":
    contend(process_all)
