"""The oracle: told how much memory each document will take, it never has to guess.

Whoever is free takes the document with the largest peak that still fits. Nothing is durable,
nothing is watched: a bound on what a run within a budget could reach.
"""

import multiprocessing
from multiprocessing.connection import Connection, wait

from benchmarks.contenders.contend import Asked, arguments, report
from benchmarks.loads import cost_of, told

#: bytes that a process holds before it has a document in hand
BASE = 12_000_000


def run(asked: Asked) -> int:
    waiting = sorted(((int(cost_of(path)["memory"]), path) for path in asked.paths()), reverse=True)
    documents, left = len(waiting), asked.memory - BASE * (asked.workers + 1)
    idle = [start() for _ in range(asked.workers)]
    held: dict[Connection, int] = {}
    while waiting or held:
        while idle and (at := largest(waiting, left)) is not None:
            peak, path = waiting.pop(at)
            worker = idle.pop()
            worker.send(path)
            held[worker], left = peak, left - peak
        assert held, "a document that does not fit at all"
        ready = set(wait(list(held)))
        for worker in [each for each in held if each in ready]:
            worker.recv()
            left += held.pop(worker)
            idle.append(worker)
    return documents


def largest(waiting: list[tuple[int, str]], left: int) -> int | None:
    """The first, as they are sorted, that fits."""
    return next((at for at, (peak, _) in enumerate(waiting) if peak <= left), None)


def start() -> Connection:
    here, there = multiprocessing.Pipe()
    multiprocessing.Process(target=loop, args=(there,), daemon=True).start()
    return here


def loop(orders: Connection) -> None:
    while True:
        told(orders.recv())
        orders.send(None)


if __name__ == "__main__":
    asked = arguments()
    report(lambda: run(asked))
