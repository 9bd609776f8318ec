"""The faults that are injected one by one, by the ids that tests name in their docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from chaos.command import ROOT

GROUPS = {
    "W": "a worker dies, hangs or misbehaves",
    "I": "what comes back from a worker",
    "E": "the engine, its signals, its machine",
    "S": "disk, ledger, results",
    "N": "the inputs",
    "M": "memory",
}
ROWS = {
    "W01": "computes for ever in Python",
    "W02": "computes for ever in C, holding the interpreter's lock",
    "W03": "ignores SIGTERM, or stops itself",
    "W04": "cannot be killed",
    "W05": "hangs while it loads",
    "W06": "slow, and says that it goes on",
    "W07": "says for ever that it goes on",
    "W08": "segmentation fault",
    "W09": "abort()",
    "W10": "full C stack",
    "W11": "recursion without end in Python",
    "W12": "leaves without a result, with code 0 too",
    "W13": "sys.exit() in a processor",
    "W14": "KeyboardInterrupt and the like, raised by a processor",
    "W15": "killed from outside with a document in hand",
    "W16": "killed from outside while idle",
    "W17": "dies after its result was sent",
    "W18": "crashes while it ends, or later",
    "W19": "a document that kills every worker",
    "W20": "a broken installation: all crash",
    "W21": "leaves processes behind",
    "W22": "fork bomb",
    "W23": "prints without end",
    "W24": "closes or writes to our descriptors",
    "W25": "a program with threads is forked",
    "W26": "leaks memory",
    "W27": "leaks descriptors",
    "W28": "changes folder, locale, umask, handlers, modules, import path",
    "I01": "a result that is not JSON",
    "I02": "an exception that cannot be made again elsewhere",
    "I03": "an exception whose text raises, is huge, or never comes",
    "I04": "a huge result",
    "I05": "a frame that lies about its size",
    "I06": "half a frame",
    "I07": "a frame, byte by byte",
    "I08": "a million Records from one document",
    "I09": "an answer to another document, or once more",
    "I10": "the disk is slow while results arrive",
    "I11": "thousands of documents a second",
    "I12": "a worker of another version",
    "E01": "kill -9, at any point",
    "E02": "kill -9 while workers are busy",
    "E03": "the thread or process that started a worker ends",
    "E04": "Ctrl-C",
    "E05": "Ctrl-C twice, three times",
    "E06": "SIGTERM, SIGHUP, as the first process of a container too",
    "E07": "the reader of its output goes away",
    "E08": "suspended for long",
    "E09": "the clock jumps",
    "E10": "a bug of ours, anywhere",
    "E11": "no process can be started",
    "E12": "few open files allowed",
    "E13": "two runs on one folder",
    "E14": "a lock left by a dead run",
    "E15": "power cut",
    "E16": "the kernel's OOM killer",
    "E17": "a run folder of an earlier version",
    "E18": "many crashes under an init that does not wait for the dead",
    "S01": "the disk is full, results",
    "S02": "the disk is full, ledger",
    "S03": "results without end",
    "S04": "short writes",
    "S05": "a sync fails",
    "S06": "read-only disk, from the start or suddenly",
    "S07": "half a line at the end of a segment",
    "S08": "results shorter than committed",
    "S09": "a changed byte in results",
    "S11": "death between commit and publication",
    "S12": "death between sync and commit",
    "S13": "a damaged ledger",
    "S14": "a lost ledger",
    "S15": "a lost part",
    "S16": "a ledger of a newer version",
    "S17": "the write-ahead log is gone",
    "S18": "a run folder that was moved",
    "S19": "results touched during a run",
    "S20": "network file systems",
    "S21": "somebody reads the ledger for long",
    "S22": "scratch files of a killed start",
    "S23": "no inodes, no quota",
    "N01": "links, also in circles",
    "N02": "FIFOs, sockets, devices",
    "N03": "a file becomes a link or FIFO after the walk",
    "N04": "a file vanishes",
    "N05": "a file changes while it is read",
    "N06": "a file is cut while it is mapped",
    "N07": "a file changes between two starts",
    "N08": "no permission",
    "N09": "input errors, a hung mount",
    "N10": "names that are not UTF-8",
    "N11": "names of 255 bytes",
    "N12": "paths of over 4,096 bytes",
    "N13": "the same name in many folders, in other cases, in other Unicode forms",
    "N14": "hard links",
    "N15": "very many names in one folder",
    "N16": "the tree grows; the output lies inside",
    "N17": "empty, sparse and huge files",
    "N18": "wrong extensions",
    "N19": "line ends, escapes and reversals in names",
    "N20": "the disk of an input goes away",
    "M01": "one document takes all memory",
    "M02": "memory that is shared, mapped, or a child's",
    "M03": "many at once that fit singly",
    "M04": "others take the memory; limits that change",
    "M05": "stopped for its memory, tried once more",
    "M06": "a failure because of a limit that the user set (ulimit)",
    "M07": "a container has less than the machine",
    "M08": "a budget smaller than one document",
}
#: what a row does not show, or shows in another way
REMARKS = {
    "W04": "a really unkillable process needs root and a cgroup v1 freezer; the other test replaces"
    " kill and runs anywhere",
    "W06": "there are no partial results: it ends as `timeout`",
    "W21": "after a death; what a done document started lives until its worker ends",
    "W22": "ends at its limits and is swept; there is no limit on the number of processes",
    "E09": "time() replaced in every process; the machine's own clock is not set",
    "E13": "one machine; two hosts would need a shared file system",
    "E15": "ext4 on a loop device; `cuts` below",
    "E16": "cgroup v1; `poison` below",
    "S03": "what a processor writes by itself is not limited",
    "S10": "needs a format that is converted, which there is not yet",
    "S20": "not run: no network file system here, and none is treated in a special way",
    "S22": "where engine and sentinel are both killed, a stream's temporary folder stays",
    "N01": "links are never followed; there is no option for it",
    "N15": "100,000 names in the suite, 10,000,000 in benchmarks.md",
}
_ID = re.compile(r"\b[WIESNM]\d\d\b")
_SPAN = re.compile(r"\b([WIESNM])(\d\d)(?:-|–)(?:[WIESNM])?(\d\d)\b")


def named() -> dict[str, list[str]]:
    """Id → the tests that name it in their docstring: "faults/test_disk.py::test_…"."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, ids in _tests(ast.parse(file.read_text())):
            for each in ids:
                found.setdefault(each, []).append(f"{file.relative_to(ROOT / 'tests')}::{name}")
    return found


def _tests(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, _ids(ast.get_docstring(node) or "")


def _ids(text: str) -> set[str]:
    spans = {
        f"{letter}{number:02}"
        for letter, first, last in _SPAN.findall(text)
        for number in range(int(first), int(last) + 1)
    }
    return spans | set(_ID.findall(text))


def page() -> list[str]:
    """The catalogue as a table."""
    from benchmarks.figures import table

    tests = named()
    rows = [
        [each, what, str(len(tests.get(each, []))), REMARKS.get(each, "")]
        for each, what in ROWS.items()
    ]
    count = len({test for found in tests.values() for test in found})
    kinds = "; ".join(f"{letter}: {what}" for letter, what in GROUPS.items())
    return [
        "## One fault at a time",
        "",
        f"{count} tests name these faults and inject each through the public door: a processor that"
        " a user could have written, the real command, real signals, real disks. They are part of"
        f" `make test`. {kinds}.",
        "",
        *table(("id", "fault", "tests", "remark"), rows, left=True),
    ]
