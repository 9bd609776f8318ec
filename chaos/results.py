"""What sections found, a JSON file for each, so that they may be run at different times."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos.tally import Tally

FOLDER = Path(__file__).parent / ".results"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one section found, and how."""

    section: str
    date: str
    command: str
    scale: float
    seconds: float
    machine: dict[str, str]
    versions: dict[str, str]
    #: of the section; always with "tally", but for {"missing": why it could not be run}
    data: dict[str, Any]

    @property
    def tally(self) -> Tally:
        """Its counts; all 0 where it could not be run."""
        return Tally.from_json(self.data.get("tally", {}))


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
