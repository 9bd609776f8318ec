"""Limits of containers of all kinds: v1, real where root allows it, and v2 as files."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from docherd import cgroups, host, pressure

MB = 1 << 20
#: what v1 writes where there is no limit
NO_LIMIT = "9223372036854771712"


class Fake:
    """A process whose cgroups are what a test says."""

    def __init__(self, folder):
        self.process = folder / "proc" / "self"
        self.mount = folder / "sys fs" / "cgroup"  # mountinfo escapes the blank
        self.process.mkdir(parents=True)
        self.mount.mkdir(parents=True)
        self._say("cgroup", "")
        self._say("mountinfo", "22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n")

    def hierarchy(self, path, controllers="", root="/", point=""):
        """One more line in both files: we are in ``path``; ``root`` is mounted at ``point``."""
        kind, options = ("cgroup", f"rw,{controllers}") if controllers else ("cgroup2", "rw,nsd")
        self._say("cgroup", f"4:{controllers}:{path}\n")
        at = str(self.mount / point).replace(" ", "\\040")
        root = root.replace(" ", "\\040")
        self._say(
            "mountinfo", f"32 31 0:29 {root} {at} rw,nosuid shared:4 - {kind} cgroup {options}\n"
        )

    def files(self, folder, **contents):
        """Control files of a cgroup; ``memory_max`` is memory.max."""
        where = self.mount / folder
        where.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (where / name.replace("_", ".", 1)).write_text(f"{content}\n")

    def machine(self, name, text):
        """A file of /proc itself."""
        file = self.process.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def memory(self):
        return cgroups.Memory(self.process)

    def _say(self, name, line):
        with (self.process / name).open("a") as file:
            file.write(line)


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


# ── where they are ───────────────────────────────────────────────────────────────────────────


def test_our_cgroup_and_all_above_it_innermost_first(fake):
    """Up to where the hierarchy is mounted."""
    fake.hierarchy("/user.slice/run 7")
    fake.files("user.slice/run 7")
    assert list(cgroups.folders("memory", fake.process)) == [
        (fake.mount / "user.slice/run 7", 2),
        (fake.mount / "user.slice", 2),
        (fake.mount, 2),
    ]


def test_both_generations_side_by_side(fake):
    """systemd's hybrid: controllers in v1, processes named in v2."""
    fake.hierarchy("/job", controllers="cpu,cpuacct", point="cpu,cpuacct")
    fake.hierarchy("/other", controllers="memory", point="memory")
    fake.hierarchy("/job", point="unified")
    for folder in ("cpu,cpuacct/job", "memory/other", "unified/job"):
        fake.files(folder)
    found = [(str(at.relative_to(fake.mount)), n) for at, n in cgroups.folders("cpu", fake.process)]
    assert found == [("cpu,cpuacct/job", 1), ("cpu,cpuacct", 1), ("unified/job", 2), ("unified", 2)]


@pytest.mark.parametrize(
    ("path", "root", "folders"),
    [
        ("/", "/", ["."]),  # a namespace of its own
        ("/docker/7f3a", "/docker/7f3a", ["."]),  # the host's names, our part of it mounted
        ("/docker/7f3a/sub", "/docker/7f3a", ["sub", "."]),
        ("/docker/7f3a", "/docker/b", ["."]),  # nothing shows it
        ("/../beside", "/", ["."]),  # outside of our namespace
        ("/", "/..", ["."]),
        ("/removed/meanwhile (deleted)", "/", ["."]),
    ],
)
def test_a_container_sees_its_own_cgroup(fake, path, root, folders):
    """Whatever it calls itself: what is mounted is us or above us."""
    fake.hierarchy(path, root=root)
    fake.files("sub")
    found = [str(at.relative_to(fake.mount)) for at, _ in cgroups.folders("memory", fake.process)]
    assert found == folders


def test_of_two_mounts_the_one_that_shows_more_counts(fake):
    """A container in a container has its own part mounted once more."""
    fake.hierarchy("/a/b", root="/a/b", point="inner")
    fake.hierarchy("/a/b", point="outer")
    fake.files("inner")
    fake.files("outer/a/b", memory_current=1, memory_max="max")
    fake.files("outer/a", memory_current=1, memory_max=64 * MB)
    assert fake.memory().allowed().limit == 64 * MB


def test_without_cgroups_nothing_is_limited(fake, tmp_path):
    """None mounted, none named, no /proc at all."""
    for process in (fake.process, tmp_path / "nowhere"):
        memory = cgroups.Memory(process)
        assert host.memory(process) == host.physical_memory()[0]
        assert memory.allowed() == cgroups.Allowed(None, None)
        assert (memory.stalled(), memory.oom_kills()) == (None, 0)
        assert cgroups.cpu_quotas(process) == []


# ── cores ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("inner", "outer", "quotas"),
    [
        ("200000 100000", "max 100000", [2.0]),
        ("max 100000", "300000 100000", [3.0]),
        ("50000 100000", "400000 100000", [0.5, 4.0]),
        ("max 100000", "max 100000", []),
    ],
)
def test_a_quota_anywhere_above_us_counts_v2(fake, inner, outer, quotas):
    """In cores; "max" is none."""
    fake.hierarchy("/a/b")
    fake.files("a/b", cpu_max=inner)
    fake.files("a", cpu_max=outer)
    assert cgroups.cpu_quotas(fake.process) == quotas


@pytest.mark.parametrize(("quota", "quotas"), [("400000", [4.0]), ("-1", [])])
def test_a_quota_anywhere_above_us_counts_v1(fake, quota, quotas):
    """-1 is none."""
    fake.hierarchy("/x", controllers="cpu,cpuacct", point="cpu,cpuacct")
    fake.files("cpu,cpuacct/x", cpu_cfs_quota_us=quota, cpu_cfs_period_us=100000)
    assert cgroups.cpu_quotas(fake.process) == quotas


# ── memory, v2 ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("inner", "outer", "limit"),
    [
        ({"memory_max": 64 * MB}, {"memory_max": "max"}, 64 * MB),
        ({"memory_max": "max"}, {"memory_max": 64 * MB}, 64 * MB),
        ({"memory_max": 64 * MB, "memory_high": 48 * MB}, {"memory_max": 80 * MB}, 48 * MB),
        ({"memory_max": 1}, {"memory_max": 0}, 0),  # a number like any other
        ({"memory_max": "max", "memory_high": "max"}, {}, None),
    ],
)
def test_the_least_limit_above_us_counts(fake, inner, outer, limit):
    """memory.high too: above it the kernel slows us down to a crawl."""
    fake.hierarchy("/a/b")
    fake.files("a/b", memory_current=0, **inner)
    fake.files("a", memory_current=0, **outer)
    assert fake.memory().allowed().limit == limit
    physical, _ = host.physical_memory()
    assert host.memory(fake.process) == (physical if limit is None else limit)


def test_left_is_the_least_below_any_limit(fake):
    """The wider limit can be the one that is nearly used up, by others."""
    fake.hierarchy("/a/b")
    fake.files("a/b", memory_current=30 * MB, memory_max=64 * MB, memory_stat="anon 1")
    fake.files("a", memory_current=95 * MB, memory_max=100 * MB, memory_stat="anon 1")
    assert fake.memory().allowed() == cgroups.Allowed(64 * MB, 5 * MB)
    fake.files("a", memory_current=101 * MB)
    assert fake.memory().allowed().left == 0


def test_what_the_kernel_gives_back_is_left(fake):
    """File pages, active ones too, and names and inodes; not what is dirty with programs."""
    fake.hierarchy("/a")
    fake.files(
        "a",
        memory_current=60 * MB,
        memory_max=64 * MB,
        memory_stat=f"anon {20 * MB}\ninactive_anon 9\nfile {25 * MB}\nshmem 7\n"
        f"inactive_file {15 * MB}\nactive_file {10 * MB}\nslab_reclaimable {5 * MB}\nslab 9",
    )
    assert fake.memory().allowed() == cgroups.Allowed(64 * MB, 34 * MB)


def test_a_limit_is_read_anew_each_time(fake):
    """Found once; whoever runs the container may change it, or remove the cgroup."""
    fake.hierarchy("/a")
    fake.files("a", memory_current=10 * MB, memory_max="max")
    memory = fake.memory()
    assert memory.allowed() == cgroups.Allowed(None, None)
    fake.files("a", memory_max=32 * MB)
    assert memory.allowed() == cgroups.Allowed(32 * MB, 22 * MB)
    shutil.rmtree(fake.mount / "a")
    assert memory.allowed() == cgroups.Allowed(None, None)


def test_memory_of_v1_as_files(fake):
    """The huge number is none; the kernel's own memory goes back."""
    fake.hierarchy("/job/step", controllers="memory", point="memory")
    above = {"memory_usage_in_bytes": 90 * MB, "memory_limit_in_bytes": NO_LIMIT}
    fake.files("memory/job", **above)
    fake.files(
        "memory/job/step",
        memory_usage_in_bytes=50 * MB,
        memory_limit_in_bytes=64 * MB,
        memory_kmem_usage_in_bytes=0,
    )
    (fake.mount / "memory/job/step/memory.kmem.usage_in_bytes").write_text(str(8 * MB))
    (fake.mount / "memory/job/step/memory.stat").write_text(
        f"cache 5\ninactive_file 3\ntotal_inactive_file {10 * MB}\ntotal_active_file {2 * MB}\n"
    )
    assert fake.memory().allowed() == cgroups.Allowed(64 * MB, 34 * MB)


# ── pressure and kills ───────────────────────────────────────────────────────────────────────


def _psi(some):
    line = "avg60=0.50 avg300=0.10 total=4099914"
    return f"some avg10={some} {line}\nfull avg10=0.00 {line}\n"


def test_pressure_of_our_own_cgroup_or_of_the_machine(fake):
    """Another container's trouble is its own, where the kernel can tell."""
    fake.hierarchy("/a")
    fake.files("a", memory_current=1)
    assert fake.memory().stalled() is None
    fake.machine("pressure/memory", _psi(41.07))
    assert fake.memory().stalled() == 41.07
    fake.files("a", memory_pressure=_psi(0.31))
    assert fake.memory().stalled() == 0.31


def test_kills_of_our_own_cgroup_or_of_the_machine(fake):
    """In both generations, where the kernel counts."""
    fake.machine("vmstat", "oom_kill_x 1\noom_kill 148\npgfault 3\n")
    fake.hierarchy("/job", controllers="memory", point="memory")
    fake.files("memory/job", memory_usage_in_bytes=1)
    assert fake.memory().oom_kills() == 148
    fake.files("memory/job", memory_oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2")
    assert fake.memory().oom_kills() == 2


def test_kills_as_v2_counts_them(fake):
    """memory.events."""
    fake.hierarchy("/job")
    fake.files("job", memory_current=1, memory_events="low 0\noom 4\noom_kill 3\noom_group_kill 0")
    assert fake.memory().oom_kills() == 3


# ── real ones, v1 ────────────────────────────────────────────────────────────────────────────

#: moves itself into the cgroup, then does what it is told, line by line
CHILD = """
import sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
print("in", flush=True)
kept = []
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
_numbers = itertools.count()


class Real:
    """A cgroup v1 of this test's own, and a child that has moved into it."""

    def __init__(self, folder):
        self.folder = folder
        self.child = subprocess.Popen(
            [sys.executable, "-S", "-c", CHILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout.readline() == "in\n"
        self.memory = cgroups.Memory(Path(f"/proc/{self.child.pid}"))

    def limit(self, amount):
        (self.folder / "memory.limit_in_bytes").write_text(str(amount))

    def tell(self, line):
        """Have the child do something; False if it died of it."""
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline() == "done\n"

    def end(self):
        self.child.kill()
        self.child.communicate()


@contextmanager
def _folder():
    """A new cgroup v1 for memory, below the topmost that we see; removed in any case."""
    above = [at for at, generation in cgroups.folders("memory") if generation == 1]
    if not above or not os.access(above[-1], os.W_OK) or os.geteuid() != 0:
        pytest.skip("makes a cgroup v1 for memory: none here, or not root")
    folder = above[-1] / f"docherd-test-{os.getpid()}-{next(_numbers)}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"cannot make a cgroup: {error}")
    try:
        yield folder
    finally:
        until = time.monotonic() + 5
        while folder.exists():  # busy for a moment after its last process
            try:
                folder.rmdir()
            except OSError:
                assert time.monotonic() < until, f"{folder} cannot be removed"
                time.sleep(0.01)


@pytest.fixture
def real():
    with _folder() as folder:
        found = Real(folder)
        try:
            yield found
        finally:
            found.end()


def test_a_real_limit_is_seen_and_its_change_too(real):
    """While the process runs: the same object reads on."""
    assert real.memory.allowed().limit is None or real.memory.allowed().limit > 300 * MB
    for limit in (96 * MB, 200 * MB, 64 * MB):
        real.limit(limit)
        allowed = real.memory.allowed()
        assert allowed.limit == limit
        assert limit - 40 * MB < allowed.left < limit


def test_what_a_process_really_takes_is_no_longer_left(real):
    """And comes back when it lets go."""
    real.limit(200 * MB)
    before = real.memory.allowed().left
    assert real.tell("kept.append(b'x' * 100_000_000)")
    during = real.memory.allowed().left
    assert 95_000_000 < before - during < 110_000_000
    assert real.tell("kept.clear()")
    assert abs(real.memory.allowed().left - before) < 10_000_000


def _drop(file):
    fd = os.open(file, os.O_RDWR)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def test_files_that_are_really_cached_are_left(real, tmp_path):
    """Read twice they are active, which the kernel gives back all the same."""
    real.limit(200 * MB)
    file = tmp_path / "cached"
    file.write_bytes(bytes(100_000_000))
    _drop(file)  # pages belong to the cgroup of whoever reads first
    before = real.memory.allowed().left
    for _ in range(3):
        assert real.tell(f"f = open({str(file)!r}, 'rb', 0)")
        assert real.tell("sum(map(len, iter(lambda: f.read(1 << 20), b''))); f.close()")
    used = int((real.folder / "memory.usage_in_bytes").read_text())
    if used < 90_000_000:
        pytest.skip("files here are not cached for whoever reads them (tmpfs)")
    assert before - real.memory.allowed().left < 10_000_000
    assert real.tell("kept.append(b'x' * 150_000_000)"), "was killed: it was not left after all"


def test_a_real_kill_is_counted_in_the_cgroup_of_the_dead(real):
    """And in none other: we have nothing to do with it."""
    (real.folder / "memory.swappiness").write_text("0")
    real.limit(64 * MB)
    ours = cgroups.Memory()
    before = ours.oom_kills()
    assert real.memory.oom_kills() == 0
    assert not real.tell("kept.append(b'x' * 200_000_000)")
    assert real.child.wait() == -9
    assert real.memory.oom_kills() == 1
    assert ours.oom_kills() == before


def test_somebody_else_who_fills_a_real_cgroup_is_waited_for(real):
    """And a limit that is raised meanwhile is room at once."""
    real.limit(200 * MB)
    seconds = itertools.count()
    watch = pressure.Watch(None, 0.8, lambda: pressure.read(real.memory), lambda: next(seconds))
    assert watch.room(0).asked == int(200 * MB * 0.8)
    assert not watch.room(0).parked
    assert real.tell("kept.append(b'x' * (165 << 20))")
    filled = watch.room(0)
    assert filled.parked
    assert filled.budget == 0
    assert filled.sentence.endswith("are left of this container's 210 MB, other programs hold it")
    real.limit(400 * MB)
    assert watch.room(0) == pressure.Room(320 * MB, watch.room(0).budget)
    assert real.tell("kept.clear()")
    assert watch.room(0).budget > 250 * MB


def test_a_process_in_a_real_cgroup_has_that_much_memory(real):
    """host.memory() of a program that was started there."""
    real.limit(150 * MB)
    real.tell(f"sys.path[:0] = {sys.path!r}; from docherd import host")
    real.tell("assert host.memory() == 150 << 20, host.memory()")
    assert real.tell("")


@pytest.mark.parametrize("limit", [0, 1 * MB, 1 << 50])
def test_a_real_limit_is_a_number_like_any_other(fake, limit):
    """Below the size of an interpreter, or above that of the machine, which then counts."""
    with _folder() as folder:
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        fake.hierarchy(f"/{folder.name}", controllers="memory", point=str(folder.parent))
        assert cgroups.Memory(fake.process).allowed().limit == limit
        assert host.memory(fake.process) == min(limit, host.physical_memory()[0])
