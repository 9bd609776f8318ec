"""Install what is compared with; a package that cannot be had is remembered, with the reason.

python benchmarks/install.py            for the benchmarks
python benchmarks/install.py quality    for that folder and its requirements.txt
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PIP = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
CONSTRAINTS = ["-c", str(HERE.parent / "constraints.txt")]


def main() -> None:
    """All at once where that works, else one by one."""
    folder = HERE.parent / (sys.argv[1] if len(sys.argv) > 1 else HERE.name)
    requirements = [
        line.strip()
        for line in (folder / "requirements.txt").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    missing: dict[str, str] = {}
    if install(requirements):
        for each in requirements:
            if why := install([each]):
                missing[each.partition("==")[0].partition("[")[0].lower()] = why
    results = folder / ".results"
    results.mkdir(exist_ok=True)
    (results / "not-installed.json").write_text(json.dumps(missing, indent=1) + "\n")
    for name, why in missing.items():
        print(f"{name} is not installed: {why}", file=sys.stderr)


def install(requirements: list[str]) -> str:
    """Why they could not be installed; empty where they were."""
    done = subprocess.run(
        [*PIP, *CONSTRAINTS, *requirements], check=False, capture_output=True, text=True
    )
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return (errors[-1] if errors else "pip failed").removeprefix("ERROR: ")


if __name__ == "__main__":
    main()
