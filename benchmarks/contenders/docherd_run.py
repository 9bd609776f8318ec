"""docherd run: durable, as on the command line."""

import json
import sys

from benchmarks.contenders.contend import Asked, arguments, report
from docherd import cli


def run(asked: Asked) -> int:
    command = ["run", str(asked.folder), "-o", str(asked.out)]
    command += ["-p", f"benchmarks.functions:{asked.function}", "-w", str(asked.workers)]
    if code := cli.execute(command):
        sys.exit(f"docherd run ended with exit code {code}")
    return int(json.loads((asked.out / "status.json").read_bytes())["counts"]["done"])


if __name__ == "__main__":
    asked = arguments()
    report(lambda: run(asked))
