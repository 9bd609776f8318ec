"""The tutorial: one future per document, a bar, all results in a list."""

from concurrent.futures import ProcessPoolExecutor, as_completed

from tqdm import tqdm

from benchmarks.contenders.contend import Function, contend


def process_all(paths: list[str], process_document: Function, workers: int) -> int:
    results = []
    with ProcessPoolExecutor(max_workers=workers) as executor:
        futures = {executor.submit(process_document, path): path for path in paths}
        for future in tqdm(as_completed(futures), total=len(paths)):
            path = futures[future]
            try:
                data = future.result()
                results.append({"path": path, "status": "success", "data": data})
            except Exception as error:
                results.append({"path": path, "status": "error", "error": str(error)})
    return sum(result["status"] == "success" for result in results)


if __name__ == "__main__":
    contend(process_all)
