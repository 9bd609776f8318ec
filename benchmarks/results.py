"""Raw results, a JSON file for each section, so that sections may be run at different times."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / ".results"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one section found, and how."""

    section: str
    date: str
    command: str
    rounds: int
    scale: float
    machine: dict[str, str]
    versions: dict[str, str]
    data: dict[str, Any]


def folder_of(scale: float) -> Path:
    """Where results of a scale lie: a smoke test never replaces a measurement."""
    return FOLDER if scale == 1 else FOLDER / f"scale-{scale:g}"


def write(measured: Measured) -> None:
    """Keep it, instead of what that section found before."""
    folder = folder_of(measured.scale)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{measured.section}.json"
    path.write_text(json.dumps(asdict(measured), indent=1) + "\n")


def read(section: str, scale: float) -> Measured | None:
    """What a section found last; None where it never ran."""
    path = folder_of(scale) / f"{section}.json"
    return Measured(**json.loads(path.read_text())) if path.exists() else None


def not_installed(folder: Path = FOLDER) -> dict[str, str]:
    """Package → why pip could not install it."""
    path = folder / "not-installed.json"
    if not path.exists():
        return {}
    found: dict[str, str] = json.loads(path.read_text())
    return found
