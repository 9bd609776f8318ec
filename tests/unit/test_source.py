"""The walk: every entry once, in order, nothing opened; and what the user typed, understood."""

import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from docherd import source
from docherd import walk as walk_module
from docherd.exceptions import EnvironmentFault, UsageError
from docherd.ledger import Ledger
from docherd.model import Found, Reason, Root
from docherd.source import Source, roots_of
from docherd.walk import Filters, Walk, digest_of, listed, once, read_list
from docherd.walk import tree as walk

# ── trees: a dict is a folder, bytes are a file, a str is a link ─────────────────────────────

ALL = Filters()


def grow(folder: bytes, tree: dict):
    """Make a tree of folders (dict), files (bytes), links (str) and FIFOs (None)."""
    os.makedirs(folder, exist_ok=True)
    for name, content in tree.items():
        path = os.path.join(folder, os.fsencode(name))
        match content:
            case dict():
                grow(path, content)
            case bytes():
                Path(os.fsdecode(path)).write_bytes(content)
            case str():
                os.symlink(content, path)
            case None:
                os.mkfifo(path)


@pytest.fixture
def tree(tmp_path):
    """Grows a tree in an empty folder and gives that folder back."""

    def make(content, name="docs"):
        grow(os.fsencode(tmp_path / name), content)
        return tmp_path / name

    return make


def found(folder, filters=ALL, pattern=None):
    """What a walk of ``folder`` meets."""
    return list(walk(0, Root(b"docs", os.fsencode(folder), pattern=pattern), filters))


def paths(folder, filters=ALL, pattern=None):
    """The Documents among it."""
    return [each.path for each in found(folder, filters, pattern) if not each.reason]


NAMES = st.one_of(
    st.sampled_from([b"a", b"b.pdf", b"B.PDF", b"c d.txt", b"\xff\xfe", "ü.txt".encode(), b"z\n"]),
    st.binary(min_size=1, max_size=6).map(
        lambda n: b"n" + n.replace(b"/", b"").replace(b"\0", b"") + b"_"
    ),
)
TREES = st.recursive(
    st.binary(max_size=3),
    lambda below: st.dictionaries(NAMES, below, max_size=4),
    max_leaves=15,
).filter(lambda tree: isinstance(tree, dict))


def flat(tree, above=b""):
    """The paths of a tree's files in the order of the walk: files first, then each folder."""
    files = sorted(name for name in tree if not isinstance(tree[name], dict))
    folders = sorted(name for name in tree if isinstance(tree[name], dict))
    yield from (above + name for name in files)
    for name in folders:
        yield from flat(tree[name], above + name + b"/")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(TREES)
def test_any_tree_is_walked_whole_once_and_in_order(tree):
    """Every file of a tree comes once, sorted, files before the folders beside them."""
    with tempfile.TemporaryDirectory() as folder:
        grow(os.fsencode(folder), tree)
        assert paths(folder) == list(flat(tree))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(TREES, st.integers(0, 12))
def test_a_limit_takes_the_first_documents(tree, limit):
    """`--limit N` is the beginning of the whole walk, and says whether anything was left out."""
    with tempfile.TemporaryDirectory() as folder:
        grow(os.fsencode(folder), tree)
        taken, walked = take(folder, Filters(limit=limit))
    everything = list(flat(tree))
    assert [each.path for each in taken] == everything[:limit]
    assert walked.complete == (len(everything) <= limit)


def take(folder, filters=ALL):
    """Everything a Source hands over, and the Source, at its end."""
    ready = threading.Event()
    walked = Source(Walk((Root(b"docs", os.fsencode(folder)),), filters), ready.set)
    return drain(walked, ready), walked


def drain(walked, ready):
    """Start a Source and take everything it has."""
    taken = []
    walked.start()
    try:
        while not walked.ended:
            ready.wait(5)
            ready.clear()
            while batch := walked.take():
                taken += batch
    finally:
        walked.close()
    return taken


def test_size_time_and_inode_are_noted(tree):
    """What tells a changed file comes with the walk."""
    folder = tree({"a.txt": b"hello"})
    status = (folder / "a.txt").stat()
    (entry,) = found(folder)
    assert (entry.root, entry.size) == (0, 5)
    assert (entry.mtime_ns, entry.inode) == (status.st_mtime_ns, status.st_ino)


def test_what_is_not_a_file_is_reported_and_never_opened(tree):
    """A link to a folder is not followed, a FIFO does not block."""
    folder = tree({"sub": {"x": b""}, "loop": "..", "broken": "nowhere", "pipe": None, "a": b""})
    assert {each.path: each.reason for each in found(folder)} == {
        b"a": None,
        b"broken": Reason.SYMLINK,
        b"loop": Reason.SYMLINK,
        b"pipe": Reason.SPECIAL,
        b"sub/x": None,
    }


FOLDERS = (
    *(".git", ".svn", ".hg", ".Trash-1000", ".Spotlight-V100", "__MACOSX", "@eaDir", "#recycle"),
    *("$RECYCLE.BIN", "System Volume Information", "lost+found"),
)
HIDDEN = {
    **{name: {"a.pdf": b""} for name in FOLDERS},
    **dict.fromkeys(["~$letter.docx", ".~lock.letter.odt#", "~WRL0001.tmp", "._a.pdf"], b""),
    **dict.fromkeys([".DS_Store", "Thumbs.db", "THUMBS.DB", "Desktop.ini", "Icon\r"], b""),
    **dict.fromkeys(["a.pdf.crdownload", "b.pdf.part", "c.zip.filepart"], b""),
    "a.pdf": b"",
}
#: names like these that are somebody's
OURS = {
    **dict.fromkeys(["notes.tmp", "~letter.docx", "apart.txt", "a.part.pdf", "lost.txt"], b""),
    "book.part": {"chapter.txt": b""},
    "Thumbs": {"db.txt": b""},
}


def test_what_only_looks_like_litter_is_taken(tree):
    """A folder called book.part, a note called notes.tmp."""
    assert len(paths(tree(OURS))) == 7
    assert not any(each.reason for each in found(tree(OURS)))


def test_hidden_names_are_reported_once_and_not_entered(tree):
    """Version control, lock files and litter are skipped, and one can see that they were."""
    entries = found(tree(HIDDEN))
    assert [each.path for each in entries if not each.reason] == [b"a.pdf"]
    assert {each.path for each in entries if each.reason is Reason.HIDDEN} == {
        os.fsencode(name) for name in HIDDEN if name != "a.pdf"
    }


def test_hidden_names_are_taken_on_request(tree):
    """`--hidden` makes them Documents like all others."""
    assert len(paths(tree(HIDDEN), Filters(hidden=True))) == len(HIDDEN)


MIXED = {
    "a.pdf": b"",
    "B.PDF": b"",
    "a.txt": b"",
    "sub": {"b.pdf": b"", "deep": {"c.pdf": b"", "d.eml": b""}},
    "other": {"b.pdf": b""},
}


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        (("*.pdf",), (), ["a.pdf", "other/b.pdf", "sub/b.pdf", "sub/deep/c.pdf"]),
        (("**/*.pdf",), (), ["a.pdf", "other/b.pdf", "sub/b.pdf", "sub/deep/c.pdf"]),
        (("sub/**/*.pdf",), (), ["sub/b.pdf", "sub/deep/c.pdf"]),
        (("b.pdf",), (), ["other/b.pdf", "sub/b.pdf"]),
        (("sub/b.pdf",), (), ["sub/b.pdf"]),
        (("[ab].pdf",), ("other/*",), ["a.pdf", "sub/b.pdf"]),
        ((), ("*.pdf", "*.PDF"), ["a.txt", "sub/deep/d.eml"]),
        (("*.eml", "*.txt"), (), ["a.txt", "sub/deep/d.eml"]),
        (("*.pdf",), ("*",), []),
        ((), ("sub", "*.PDF"), ["a.pdf", "a.txt", "other/b.pdf"]),
        ((), ("s*/", "a.pdf/", "B*"), ["a.pdf", "a.txt", "other/b.pdf"]),
        ((), ("sub/deep/", "/other", "*.PDF"), ["a.pdf", "a.txt", "sub/b.pdf"]),
        ((), ("deep", "/b.pdf", "*.PDF"), ["a.pdf", "a.txt", "other/b.pdf", "sub/b.pdf"]),
    ],
)
def test_globs_choose_by_path_or_name(tree, include, exclude, taken):
    """Include and exclude look at the bare name and at the path below the input."""
    filters = Filters(include=include, exclude=exclude)
    assert paths(tree(MIXED), filters) == [os.fsencode(each) for each in taken]


def test_a_glob_typed_in_quotes_is_an_input(tree):
    """What the shell did not expand we do, below the folder before the first wildcard."""
    folder = tree(MIXED)
    (root,) = roots_of([folder / "**" / "b.*"])
    assert (root.folder, root.label) == (os.fsencode(folder), b"docs")
    assert [each.path for each in walk(0, root, Filters())] == [b"other/b.pdf", b"sub/b.pdf"]


def test_a_name_that_is_not_utf8_is_matched_by_globs(tree):
    """Bytes that are no text do not hide a file from its pattern."""
    folder = tree({b"\xff.pdf": b"", b"\xff.txt": b""})
    assert paths(folder, Filters(include=("*.pdf",))) == [b"\xff.pdf"]


def test_a_folder_that_cannot_be_read_is_one_failure(tree, monkeypatch):
    """Everything else goes on; the folder is named, with the reason."""
    folder = tree({"a": b"", "locked": {"x": b""}, "z": {"y": b""}})
    scandir = os.scandir

    def locked(path):
        if path.endswith(b"locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    entries = found(folder)
    assert [(each.path, each.reason) for each in entries] == [
        (b"a", None),
        (b"locked", Reason.INPUT_UNREADABLE),
        (b"z/y", None),
    ]
    assert entries[1].message == "folder cannot be read: Permission denied"


def test_a_path_too_long_to_be_opened_is_reported(tree):
    """ENAMETOOLONG is a reason of its own."""
    (entry,) = listed(0, [b"/" + b"x" * 300], Filters())
    assert entry.reason is Reason.PATH_TOO_LONG


def test_a_huge_folder_is_sorted_in_slices(tree, monkeypatch):
    """Memory stays flat: no more entries than a slice are sorted together, none is lost."""
    monkeypatch.setattr(walk_module, "SLICE", 7)
    names = [f"{n:02}" for n in range(50)]
    taken = paths(tree(dict.fromkeys(names, b"")))
    assert sorted(taken) == [name.encode() for name in names]
    assert all(taken[at : at + 7] == sorted(taken[at : at + 7]) for at in range(0, 50, 7))


# ── what the user typed ──────────────────────────────────────────────────────────────────────


def labels(*inputs):
    """The labels of inputs, as text."""
    return [root.label.decode() for root in roots_of(inputs)]


def test_labels_are_folder_names_made_unique(tree):
    """Two folders of one name can be told apart in every Record."""
    tree({"a": {"docs": {}}, "b": {"docs": {}}, "c": {"docs~2": {}}}, name="in")
    top = tree({}, name="in")
    assert labels(top / "a/docs", top / "b/docs") == ["docs", "docs~2"]
    assert labels(top / "c/docs~2", top / "a/docs", top / "b/docs") == ["docs~2", "docs", "docs~3"]
    assert labels("/") == ["root"]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["d", "d~2", "d~3", "e"]), max_size=7))
def test_labels_never_repeat(names):
    """Whatever the folders are called, each label is one input's."""
    with tempfile.TemporaryDirectory() as top:
        inputs = [Path(top, str(n), name) for n, name in enumerate(names)]
        for each in inputs:
            each.mkdir(parents=True)
        assert len(set(labels(*inputs))) == len(names)


def test_files_are_gathered_under_their_folder(tree):
    """A file's label is its folder's name; naming it twice is naming it once."""
    folder = tree(MIXED)
    (root,) = roots_of([folder / "a.txt", folder / "a.pdf", folder / "a.txt"])
    assert root == Root(b"docs", os.fsencode(folder), names=(b"a.txt", b"a.pdf"))
    assert [each.path for each in walk(0, root, Filters())] == [b"a.txt", b"a.pdf"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("docs", "docs/sub"),
        ("docs", "docs"),
        ("docs", "docs/a.txt"),
        ("docs/sub", "docs/sub/b.pdf"),
        ("docs", "docs/*.pdf"),
        ("docs/*.pdf", "docs/a.pdf"),
        ("docs/*.pdf", "docs/sub"),
        ("docs", "link"),
    ],
)
def test_inputs_that_overlap_are_refused_in_either_order(tree, one, other):
    """No Document counts twice because an input lies in another."""
    top = tree({"docs": MIXED, "link": "docs/sub"}, name="in")
    for pair in ((one, other), (other, one)):
        with pytest.raises(UsageError, match=r"inputs overlap: .* would count twice"):
            roots_of([top / each for each in pair])


def test_neighbours_do_not_overlap(tree):
    """A name that begins like another is not inside of it."""
    top = tree({"docs": {}, "docs2": {}, "x.txt": b"", "y.txt": b""}, name="in")
    assert labels(*(top / each for each in ("docs", "docs2", "x.txt", "y.txt"))) == [
        "docs",
        "docs2",
        "in",
    ]


@pytest.mark.parametrize("typed", ["nowhere", "nowhere/*.pdf", "a.txt/x"])
def test_a_missing_input_is_said(tree, typed):
    """A typing error is not an empty run."""
    with pytest.raises(EnvironmentFault, match=r"^input "):
        roots_of([tree(MIXED) / typed])


def test_an_input_that_disappears_stops_the_start(tree):
    """A disk that is not mounted must not make everything look gone."""
    roots = roots_of([tree(MIXED)])
    source.refuse_missing(roots)
    missing = [Root(b"docs", roots[0].folder + b"/nowhere")]
    with pytest.raises(EnvironmentFault, match="is a disk missing"):
        source.refuse_missing(missing)


def test_an_output_inside_of_an_input_is_refused(tree):
    """Results must not become Documents; beside the input, or beside a named file, is fine."""
    folder = tree(MIXED)
    for out in (folder, folder / "out", folder / "sub/deep/out"):
        with pytest.raises(UsageError, match="lies in the input"):
            source.refuse_output_inside(roots_of([folder]), out)
    source.refuse_output_inside(roots_of([folder]), folder.parent / "docs-out")
    source.refuse_output_inside(roots_of([folder / "a.txt"]), folder / "out")


# ── file lists ───────────────────────────────────────────────────────────────────────────────


def test_a_list_is_taken_in_its_order_each_file_once(tree, monkeypatch):
    """Relative names count from the working folder; ways of writing one path are one path."""
    folder = tree(MIXED)
    monkeypatch.chdir(folder)
    names = [b"sub/b.pdf", b"a.txt", b"./sub/../a.txt", os.fsencode(folder / "a.txt"), b"no.pdf"]
    entries = list(once(listed(3, names, Filters())))
    here = os.fsencode(folder)[1:]
    assert [(e.root, e.path, e.reason) for e in entries] == [
        (3, here + b"/sub/b.pdf", None),
        (3, here + b"/a.txt", None),
        (3, here + b"/no.pdf", Reason.INPUT_MISSING),
    ]


@pytest.mark.parametrize(
    ("content", "null", "names"),
    [
        (b"a\nb\n", False, [b"a", b"b"]),
        (b"a\n\n b ", False, [b"a", b" b "]),
        (b"a\nb\0c\0", True, [b"a\nb", b"c"]),
        (b"\xff\0\0d", True, [b"\xff", b"d"]),
        (b"", True, []),
        (b"x" * 200_000 + b"\n" + b"y" * 70_000, False, [b"x" * 200_000, b"y" * 70_000]),
    ],
)
def test_a_list_is_read_by_line_or_by_nul(tmp_path, content, null, names):
    """`-0` takes any name there is; an unended last one counts, an empty one does not."""
    (tmp_path / "list").write_bytes(content)
    assert list(read_list(tmp_path / "list", null)) == names


# ── running ahead ────────────────────────────────────────────────────────────────────────────


def test_content_is_digested_on_request(tree):
    """`--checksum` tells a changed file by what is in it."""
    taken, _ = take(tree({"a": b"x", "b": b"x", "c": b"y", "l": "a"}), Filters(checksum=True))
    a, b, c, link = (each.digest for each in taken)
    assert a == b != c
    assert link is None
    assert len(a) == 16


def test_a_file_that_cannot_be_read_has_no_digest(tmp_path):
    """Processing will say why; the walk goes on."""
    assert digest_of(os.fsencode(tmp_path / "nowhere")) is None


@pytest.fixture
def pipe(tmp_path):
    """A list that comes through a pipe: the path to read from, and a function that writes."""
    path = tmp_path / "names"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path, lambda data: os.write(fd, data)
    os.close(fd)


def listing(names):
    """A Source of a file list."""
    return Source(Walk((Root(b"", b"/"),), Filters(), str(names)), lambda: None)


def test_the_walk_runs_only_a_few_batches_ahead(tmp_path):
    """A list of millions is not read into memory while the processor is slow."""
    names = tmp_path / "names"
    names.write_text("".join(f"/nowhere/{n:0100}\n" for n in range(200_000)))
    walked = listing(names)
    walked.start()
    oracle.wait_for(walked._walker._ready.full)
    state = [f"/proc/{walked._walker._pid}/wchan", f"/proc/{walked._walker._pid}/io"]
    oracle.wait_for(lambda: "sock" in Path(state[0]).read_text() or quiet(state[1]))
    read = int(Path(state[1]).read_text().split()[1])
    assert read < names.stat().st_size // 2
    walked.close()
    assert not walked.complete


def quiet(io):
    """True where the process has not read anything for a while."""
    before = Path(io).read_text()
    time.sleep(0.3)
    return Path(io).read_text() == before


def test_what_the_walk_raises_is_raised_where_batches_are_taken(tmp_path):
    """A list that cannot be read ends the run, not only a process."""
    walked = listing(tmp_path / "missing")
    with pytest.raises(FileNotFoundError) as caught:
        drain(walked, threading.Event())
    assert caught.value.filename == str(tmp_path / "missing")
    assert walked.ended
    assert not walked.complete
    assert walked.take() == []


def test_a_walker_that_dies_is_said(pipe):
    """Killed from outside, it is no end of the list; what came before is kept."""
    names, write = pipe
    walked = listing(names)
    walked.start()
    write(b"/nowhere/at/all\n")
    oracle.wait_for(lambda: not walked._walker._ready.empty())
    assert [each.reason for each in walked.take()] == [Reason.INPUT_MISSING]
    os.kill(walked._walker._pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFault, match="walks the inputs died"):
        oracle.wait_for(lambda: walked.take() or walked.ended)
    walked.close()


def test_a_list_that_blocks_does_not_hold_up_the_end(pipe):
    """A pipe nobody writes to is left behind, and so is nothing else."""
    names, _ = pipe
    walked = listing(names)
    walked.start()
    began = time.monotonic()
    walked.close()
    assert time.monotonic() - began < 15
    walked.close()


def test_a_list_that_a_ledger_remembers_comes_from_there(tmp_path):
    """What came through a pipe once is walked again without it, page by page."""
    ledger = Ledger(tmp_path / "ledger.db", create=True)
    names = [b"nowhere/%05d\xff" % n for n in range(12_000)]
    ledger.discover([Found(0, name, 1, 1, 1) for name in names])
    ledger.close()
    walk = Walk((Root(b"", b"/"),), Filters(), "-", ledger=str(tmp_path / "ledger.db"))
    ready = threading.Event()
    assert [each.path for each in drain(Source(walk, ready.set), ready)] == names
