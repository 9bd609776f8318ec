"""mpire: WorkerPool.imap_unordered."""

from mpire import WorkerPool

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    with WorkerPool(n_jobs=workers) as pool:
        return sum(1 for _ in pool.imap_unordered(process_document, paths))


if __name__ == "__main__":
    contend(process_all)
