"""docherd.process under a program that takes 500 Results a second, and leaves in the middle."""

import time

import docherd
from benchmarks.contenders.contend import Asked, arguments, report
from benchmarks.functions import FUNCTIONS


def take_slowly(asked: Asked) -> int:
    end = time.monotonic() + asked.seconds
    with docherd.process(
        asked.paths(), FUNCTIONS[asked.function], workers=asked.workers
    ) as results:
        taken = 0
        for result in results:
            taken += result.ok
            if taken % 10 == 0:
                time.sleep(0.02)
            if time.monotonic() > end:
                break
    return taken


if __name__ == "__main__":
    asked = arguments()
    report(lambda: take_slowly(asked))
