"""What docherd run writes, without docherd: some processes, each with a file of its own.

Each takes the next path from a shared counter, calls the function, and writes the same JSON line;
once a second, and at the end, it makes sure of it on the disk. Nothing survives a crash, nothing
is remembered, nothing is limited: a bound on what a durable run could reach.
"""

import hashlib
import json
import multiprocessing
import os
import time
from base64 import b32encode
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import BinaryIO

from benchmarks.contenders.contend import Asked, arguments, report
from benchmarks.functions import FUNCTIONS


def run(asked: Asked) -> int:
    asked.out.mkdir(parents=True)
    paths, turn = list(asked.paths()), multiprocessing.Value("q", 0)
    processes = [
        multiprocessing.Process(target=loop, args=(asked, paths, turn, asked.out / f"{n}.jsonl"))
        for n in range(asked.workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return len(paths) if not any(process.exitcode for process in processes) else 0


def loop(asked: Asked, paths: list[str], turn: "Synchronized[int]", target: Path) -> None:
    function = FUNCTIONS[asked.function]
    synced = time.monotonic()
    with target.open("wb") as file:
        while (at := take(turn)) < len(paths):
            value = function(paths[at])
            if isinstance(value, dict):
                file.write(line(asked.folder, paths[at], value))
            if time.monotonic() - synced >= 1:
                sync(file)
                synced = time.monotonic()
        sync(file)


def take(turn: "Synchronized[int]") -> int:
    with turn.get_lock():
        turn.value += 1
        return turn.value - 1


def line(folder: Path, path: str, value: dict[str, object]) -> bytes:
    name = os.path.relpath(path, folder)
    key = hashlib.blake2b(f"{folder.name}\0{name}".encode(), digest_size=10).digest()
    record = {
        "document": b32encode(key).decode().lower(),
        "path": f"{folder.name}/{name}",
        "ordinal": 0,
        **value,
    }
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def sync(file: BinaryIO) -> None:
    file.flush()
    os.fdatasync(file.fileno())


if __name__ == "__main__":
    asked = arguments()
    report(lambda: run(asked))
