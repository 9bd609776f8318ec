"""loky: the reusable executor."""

from loky import get_reusable_executor

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    executor = get_reusable_executor(max_workers=workers)
    return sum(1 for _ in executor.map(process_document, paths))


if __name__ == "__main__":
    contend(process_all)
