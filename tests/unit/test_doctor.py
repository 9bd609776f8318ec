"""What `docherd doctor` finds, on this machine and on unfit ones."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from docherd import cli, doctor, host
from docherd.doctor import Grade

#: extras for those who change docherd, and all of the others
OURS = {"test", "docs", "all"}


def test_this_machine_is_fit(tmp_path, capsys):
    """Each finding has a value and a meaning; a worker was really started; nothing is left."""
    assert cli.execute(["doctor", str(tmp_path / "not" / "there"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["fit"]
    found = {each["what"]: each for each in shown["findings"]}
    assert {"python", "sqlite", "cores", "memory", "disk", "writing", "worker"} <= set(found)
    assert all(each["value"] and each["meaning"] for each in shown["findings"])
    assert "answers in" in found["worker"]["value"]
    assert str(tmp_path) in found["disk"]["meaning"]
    assert not list(tmp_path.iterdir())


def test_what_stands_against_running_is_said_and_exits_with_3(monkeypatch, capsys, tmp_path):
    """All the others are looked at all the same."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refused)
    assert cli.execute(["doctor", str(tmp_path)]) == 3
    said = capsys.readouterr()
    assert "cannot be written: Permission denied; give another folder" in said.out
    assert "\nok   worker" in said.out
    assert "not fit" in said.err


def test_each_extra_is_explained_and_checked():
    """Every library that can be installed beside is named, with what it is for."""
    package = metadata.metadata("docherd")
    offered = set(package.get_all("Provides-Extra") or ()) - OURS
    assert offered == set(doctor.EXTRAS)
    assert {extra for extra, names in doctor.extras().items() if names} == offered


def test_a_missing_library_says_how_it_is_installed(monkeypatch):
    """By the name of its extra."""
    monkeypatch.setattr(doctor, "extras", lambda: {"progress": ["no-such-library"]})
    (found,) = doctor._libraries()
    assert (found.grade, found.value) == (Grade.ABSENT, "not installed")
    assert "pip install 'docherd[progress]'" in found.meaning


def test_a_missing_program_says_its_package(monkeypatch):
    """And one that is there, where."""
    programs = {"no-such-program": ("some-package", "old files"), "sh": ("dash", "shells")}
    monkeypatch.setattr(doctor, "PROGRAMS", programs)
    absent, there = doctor._programs()
    assert absent.meaning == "old files: apt install some-package"
    assert (there.grade, Path(there.value).name) == (Grade.GOOD, "sh")


# ── machines that are not as they should be ──────────────────────────────────────────────────


def test_an_old_sqlite(monkeypatch):
    """What the ledger needs is tried, not read from a version."""

    class Old:
        def execute(self, statement: str) -> None:
            if "json_each" in statement:
                raise sqlite3.OperationalError("no such table: json_each")

        def close(self) -> None: ...

    monkeypatch.setattr(doctor.sqlite3, "connect", lambda _: Old())
    found = doctor._sqlite()
    assert found.grade is Grade.BAD
    assert "json_each" in found.meaning


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("disk / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\n", "nfs4"),
        ("disk / ext4 rw 0 0\nserver:/x /data\\040 cifs rw 0 0\n", "ext4"),
        ("disk / ext4 rw 0 0\nnone /data tmpfs rw 0 0\nb /data xfs rw 0 0\n", "xfs"),
        ("", ""),
    ],
)
def test_the_file_system_of_a_folder(monkeypatch, mounts, kind):
    """The last mount on the way to it counts; blanks in names are escaped there."""
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: mounts)
    assert doctor._mounted(Path("/data/in")) == kind


@pytest.mark.parametrize(("kind", "grade"), [("nfs4", Grade.POOR), ("tmpfs", Grade.POOR)])
def test_disks_that_do_not_keep(monkeypatch, kind, grade):
    """Another machine's, or the memory."""
    monkeypatch.setattr(doctor, "_mounted", lambda _: kind)
    assert doctor._file_system(Path("/")).grade is grade


def test_little_room(monkeypatch, tmp_path):
    """Bytes or inodes."""
    usage = namedtuple("usage", "total used free")(1, 1, 1_000_000)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    real = os.statvfs(tmp_path)
    few = namedtuple("few", "f_files f_favail")(real.f_files or 1, 5)
    monkeypatch.setattr(doctor.os, "statvfs", lambda _: few)
    disk, inodes, *_ = doctor._disk(tmp_path)
    assert (disk.grade, inodes.grade) == (Grade.POOR, Grade.POOR)
    assert doctor._scratch().grade is Grade.POOR


def test_fewer_cores_and_memory_than_there_are(monkeypatch):
    """What a container or Slurm leaves is what counts."""
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 64)
    assert "leave no more" in doctor._cores().meaning
    monkeypatch.setattr(host, "memory", lambda *_: 10**15)
    assert doctor._memory().grade is Grade.POOR


def test_no_worker(monkeypatch):
    """Its failure is a finding, not the end of the others."""

    def none(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(doctor.once, "attempt", none)
    found = doctor._worker()
    assert found.grade is Grade.BAD
    assert "Resource temporarily" in found.meaning
