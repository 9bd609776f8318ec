"""What was measured on, and with what: facts for the page, and nothing that names the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.command import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def machine(work: Path) -> dict[str, str]:
    """Processor, memory, kernel and file system."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(work),
    }


def others(seconds: float) -> float:
    """Cores that other programs keep busy, looked at for so long while nothing of ours runs."""
    begin = _busy()
    time.sleep(seconds)
    return (_busy() - begin) / seconds


def _busy() -> float:
    """Seconds of all cores together that were not idle, since the machine began."""
    line = Path("/proc/stat").read_text().splitlines()[0]
    user, nice, system, _idle, _iowait, *interrupts = map(int, line.split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def versions(requirements: Path = REQUIREMENTS) -> dict[str, str]:
    """Python, docherd, and every package of requirements.txt that is installed."""
    found = {"Python": platform.python_version(), "docherd": _docherd()}
    for line in requirements.read_text().splitlines():
        name = line.partition("==")[0].partition("[")[0].strip()
        if not name or name.startswith("#"):
            continue
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _docherd() -> str:
    """Version and commit, and whether files differ from it."""
    number = version("docherd")
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "src")
    except (OSError, subprocess.CalledProcessError):
        return number
    return f"{number} ({commit}{', with changes' if changed else ''})"


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _file_system(folder: Path) -> str:
    """The type of the file system that holds a folder."""
    place, best = folder.resolve(), ("", "unknown")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mounted = before.split()[4]
        if place.is_relative_to(mounted) and len(mounted) >= len(best[0]):
            best = (mounted, after.split()[0])
    return best[1]
