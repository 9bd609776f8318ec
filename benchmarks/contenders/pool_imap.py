"""multiprocessing: Pool.imap_unordered."""

from multiprocessing import Pool

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    with Pool(workers) as pool:
        return sum(1 for _ in pool.imap_unordered(process_document, paths))


if __name__ == "__main__":
    contend(process_all)
