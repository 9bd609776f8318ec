"""joblib: Parallel that returns results as they come."""

from joblib import Parallel, delayed

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    return sum(1 for _ in parallel(delayed(process_document)(path) for path in paths))


if __name__ == "__main__":
    contend(process_all)
