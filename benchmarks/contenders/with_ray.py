"""Ray Data: a dataset of paths, mapped row by row."""

from typing import Any

import ray

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    def process_row(row: dict[str, Any]) -> dict[str, Any]:
        return {"path": row["path"], "data": process_document(row["path"])}

    ray.init(num_cpus=workers, include_dashboard=False)
    documents = ray.data.from_items([{"path": path} for path in paths])
    return sum(1 for _ in documents.map(process_row).iter_rows())


if __name__ == "__main__":
    contend(process_all)
