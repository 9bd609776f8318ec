"""The machine underneath: limits that are seen, memory that is counted, bytes that are copied."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd import cgroups, host

#: what a process may call itself (the kernel escapes the newline)
NAMES = st.binary(max_size=15).map(lambda name: name.replace(b"\n", b""))

linux = pytest.mark.skipif(not host.LINUX, reason="reads /proc")


def _machine(monkeypatch, quotas=(), cores=8):
    """A machine, and what the cgroups above us allow of it."""
    monkeypatch.setattr(cgroups, "cpu_quotas", lambda: list(quotas))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)


def test_without_limits_the_affinity_counts(monkeypatch):
    """A process pinned to three cores has three."""
    _machine(monkeypatch, cores=3)
    assert host.cores() == 3


@pytest.mark.parametrize(
    ("quotas", "cores"), [([2.0], 2), ([4.0, 3.5], 3), ([0.5, 4.0], 1), ([16.0], 8)]
)
def test_the_least_cpu_quota_above_us_counts(monkeypatch, quotas, cores):
    """In whole cores, at least one."""
    _machine(monkeypatch, quotas)
    assert host.cores() == cores


@pytest.mark.parametrize(("granted", "cores"), [("2", 2), ("64", 8), ("0", 8), ("many", 8)])
def test_slurm_is_heard(monkeypatch, granted, cores):
    """A job step uses what it was granted, never more than there is."""
    _machine(monkeypatch)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
    assert host.cores() == cores


@linux
def test_what_the_machine_has_is_what_the_kernel_says():
    """And some of it can still be had: more than is free, less than there is."""
    fields = host.status_fields("/proc/meminfo")
    total, available = host.physical_memory()
    assert total == fields["MemTotal"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < available < total
    assert abs(available - fields["MemAvailable"]) < total / 4  # others are at work


def test_a_kernel_that_does_not_say_never_makes_us_wait(monkeypatch):
    """All of it is there then, as sysconf counts it."""
    monkeypatch.setattr(host, "LINUX", True)
    monkeypatch.setattr(host, "status_fields", lambda path, most: {})
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert host.physical_memory() == (physical, physical)


def test_status_lines_are_bytes():
    """Kilobytes become bytes; lines without a size are left out."""
    text = b"Name:\tpython\nVmRSS:\t    2048 kB\nRssAnon:\t1 kB\nThreads:\t1\n"
    assert host.parse_status(text) == {"VmRSS": 2 << 20, "RssAnon": 1024}


@settings(derandomize=True, deadline=None, max_examples=300)
@given(NAMES, st.sampled_from([b"", b" kB"]))
def test_a_process_cannot_call_itself_something_that_disturbs_us(name, ending):
    """A child that names itself "x kB" is counted like any other."""
    found = host.parse_status(b"Name:\t" + name + ending + b"\nRssAnon:\t3 kB\n")
    assert found["RssAnon"] == 3 << 10


@linux
def test_memory_of_a_tree_is_that_of_parent_and_children():
    """What a child holds is charged to its worker."""
    grab = "import sys; b = bytearray(30_000_000); print(len(b), flush=True); sys.stdin.read()"
    tree = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]);"
        "child.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", tree, grab],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "30000000\n"
        alone = host.status_fields(f"/proc/{process.pid}/status")["RssAnon"]
        assert alone < 30_000_000 <= host.tree_memory(process.pid) - alone
        process.stdin.close()
    assert host.tree_memory(process.pid) == 0


@linux
def test_the_cpu_of_a_tree_counts_children_also_when_they_have_ended():
    """What a child has used stays counted when its parent has waited for it."""
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    tree = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]]);"
        "print('ended', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", tree, spin],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ended\n"
        used, waited = host.tree_cpu(process.pid)
        assert used >= 0.18
        assert all(seconds >= 0 for seconds in waited.values())
        process.stdin.close()
    assert host.tree_cpu(process.pid) == (0.0, {})


@linux
def test_own_peak_sees_what_was_given_back():
    """Memory taken and freed between two readings is in the peak, not in what is held."""
    own = host.OwnPeak()
    try:
        own.take()
        block = bytearray(64 << 20)
        del block
        peak, held = own.take()
    finally:
        os.close(own._status)
    assert peak - held > 48 << 20


def _file(folder, name, content=b""):
    (folder / name).write_bytes(content)
    return os.open(folder / name, os.O_RDWR)


@pytest.mark.parametrize("in_kernel", [True, False])
def test_a_range_is_copied_to_its_offset(tmp_path, monkeypatch, in_kernel):
    """Within the kernel, or plainly where it refuses."""

    def refuse(*_):
        raise OSError(18, "across devices")

    if not in_kernel:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    source, target = _file(tmp_path, "a", b"0123456789"), _file(tmp_path, "b", b"abc")
    assert host.copy_range(source, 2, target, 3, 5) == 5
    assert (tmp_path / "b").read_bytes() == b"abc23456"
    assert host.copy_range(source, 10, target, 8, 5) == 0
    os.close(source)
    os.close(target)


def test_a_punched_hole_keeps_the_size(tmp_path):
    """What was copied out of a spool is given back to the disk; offsets stay."""
    fd = _file(tmp_path, "spool", b"x" * 65536 + b"end")
    before = os.fstat(fd).st_blocks
    host.punch_hole(fd, 0, 65536)
    host.punch_hole(fd, 0, 0)
    assert os.pread(fd, 3, 65536) == b"end"
    assert os.fstat(fd).st_size == 65539
    assert os.fstat(fd).st_blocks <= before
    os.close(fd)


def test_syncing_works_on_files_and_folders(tmp_path):
    """Both leave the content as it is."""
    fd = _file(tmp_path, "a", b"x")
    host.sync_data(fd)
    os.close(fd)
    host.sync_folder(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"x"
    with pytest.raises(OSError, match="Not a directory"):
        host.sync_folder(tmp_path / "a")


def test_marked_processes_are_found_and_killed():
    """Whoever carries the run's token in the environment, and nobody else."""
    idle = [sys.executable, "-S", "-c", "print(flush=True); import time; time.sleep(60)"]
    ours, other = (
        subprocess.Popen(idle, env={host.MARK: mark}, stdout=subprocess.PIPE)
        for mark in ("0c3f-unit-a.1", "0c3f-unit-b.1")
    )
    with ours, other:
        for each in (ours, other):
            each.stdout.readline()
        assert host.marked("0c3f-unit-a.") == [ours.pid]
        assert host.kill_marked("0c3f-unit-a.") == 1
        assert ours.wait() == -9
        assert host.kill_marked("0c3f-unit-a.") == 0
        assert other.poll() is None
        other.kill()


@linux
def test_a_process_whose_parent_is_gone_ends_at_once():
    """Between fork and the kernel's promise the parent may have died already."""
    code = "from docherd import host; host.tie_to_parent(1 << 22); print('alive')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
