"""Processors: found by name, sent as objects, handed what they ask for, told from each other."""

import functools
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from docherd import processors
from docherd.document import Document
from docherd.exceptions import ProcessorError
from docherd.model import Root, Task
from docherd.processors import describe, fingerprint_of, load

TASK = Task(1, Root(b"in", b"/in"), b"a.txt", 5, "txt/3")


def document():
    return Document(TASK, lambda _: "text")


def loaded(processor, passwords=()):
    """As a worker has it."""
    what = describe(processor)
    return load(what.name, what.payload, passwords)


# ── by name ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", processors.BUILTIN)
def test_every_built_in_is_what_the_table_says(name):
    """It can be loaded, has a version for its fingerprint, and a line of help."""
    what = describe(name)
    assert (what.builtin, what.importable, what.payload) == (True, True, b"")
    made = loaded(name)
    assert made.builtin
    assert re.fullmatch(rf"{name}/\d+", made.fingerprint)
    assert len(processors.BUILTIN[name][2]) > 10


@pytest.fixture
def file(tmp_path):
    """Makes a file of Python; gives back its name for -p."""

    def make(source, attribute="go", name="mine.py"):
        (tmp_path / name).write_text(textwrap.dedent(source))
        return f"{tmp_path / name}:{attribute}"

    yield make
    sys.path[:] = [each for each in sys.path if each != str(tmp_path)]
    for name in [name for name in sys.modules if name.startswith("processor_")]:
        del sys.modules[name]


def test_a_function_in_a_file(file):
    """`-p mine.py:go`, importable again by its absolute name."""
    what = describe(file("def go(path): return {'name': path.name}"))
    assert what.importable
    assert not what.builtin
    assert load(what.name, b"", ()).call(document()) == {"name": "a.txt"}


def test_a_relative_file_is_made_absolute(file, tmp_path, monkeypatch):
    """`docherd resume` may be called from elsewhere."""
    file("def go(path): return 1")
    monkeypatch.chdir(tmp_path)
    assert describe("mine.py:go").name == f"{tmp_path}/mine.py:go"


def test_a_class_is_built_once(file):
    """Models are loaded in __init__, not for every Document."""
    name = file("""
        class go:
            built = 0
            def __init__(self): go.built += 1
            def __call__(self, path): return go.built
    """)
    made = loaded(name)
    assert [made.call(document()) for _ in range(3)] == [1, 1, 1]


def test_an_attribute_of_an_object(file):
    """`-p mine.py:tool.go` follows the dots."""
    name = file("class tool:\n    @staticmethod\n    def go(path): return 7\n", "tool.go")
    assert loaded(name).call(document()) == 7


def test_a_file_may_import_the_files_beside_it(file):
    """But a json.py there never becomes everybody's json."""
    file("VALUE = 9", name="beside_mine.py")
    file("VALUE = 'not the real one'", name="json.py")
    name = file("import beside_mine, json\ndef go(path): return beside_mine.VALUE, json.dumps(1)")
    assert loaded(name).call(document()) == (9, "1")
    del sys.modules["beside_mine"]


def test_a_function_in_a_module():
    """`-p package.module:name`."""
    assert loaded("os.path:basename").call(document()) == "a.txt"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("extrct", "did you mean extract"),
        ("", "docherd processors lists"),
        ("xyzzy", "docherd processors lists"),
        (":go", "no processor"),
        ("mine.py:", "no processor"),
        ("nowhere.py:go", "no processor file nowhere.py"),
    ],
)
def test_a_name_that_cannot_be_meant_is_refused_at_once(name, message):
    """Before a folder is made or a worker started."""
    with pytest.raises(ProcessorError, match=message):
        describe(name)


def test_a_name_that_is_not_there_is_refused_where_it_is_loaded(file):
    """The file is fine, the function is not in it, or is none."""
    with pytest.raises(ProcessorError, match="has no 'gone'"):
        loaded(file("def go(path): return 1", "gone"))
    with pytest.raises(ProcessorError, match="is int, not a function or class"):
        loaded(file("go = 5"))


# ── as objects ───────────────────────────────────────────────────────────────────────────────


def test_an_object_travels_with_its_fingerprint():
    """A closure works, and is known to be unknown to `docherd resume`."""
    word = "hello"
    what = describe(lambda path: word + path.name)
    assert not what.importable
    made = load(what.name, what.payload, ())
    assert made.call(document()) == "helloa.txt"
    assert what.name.startswith(f"{__name__}:")


@pytest.mark.parametrize("wrong", [5, None, ["extract"], b"extract"])
def test_what_cannot_be_called_is_no_processor(wrong):
    """A function or a name."""
    with pytest.raises(ProcessorError, match="a processor is a function or a name, not "):
        describe(wrong)


def test_what_cannot_be_sent_is_said_in_one_line():
    """With what to do about it."""
    lock = threading.Lock()
    with pytest.raises(ProcessorError, match=r"cannot be sent to a worker .*inside the function"):
        describe(lambda path: lock.locked())


def test_what_is_too_large_to_be_sent_is_refused(monkeypatch):
    """Data belongs in a file, models into __init__."""
    monkeypatch.setattr(processors, "PICKLE_LIMIT", 1000)
    data = bytes(2000)
    with pytest.raises(ProcessorError, match=r"carries 2,.* bytes along, over 1,000"):
        describe(lambda path: data)


# ── what a processor is handed ───────────────────────────────────────────────────────────────


class Called:
    """An instance whose call says what it wants."""

    def __call__(self, document: Document):
        return document

    def method(self, path: str):
        return path


def wants_document(document: Document):
    return document


def wants_quoted(document: "Document"):
    return document


def wants_qualified(document: "docherd.Document"):  # noqa: F821 - as under `from __future__`
    return document


def wants_text(path: str, also: int = 5):
    return path


def wants_path(path: Path):
    return path


def wants_unresolvable(path: "Nowhere"):  # noqa: F821
    return path


@pytest.mark.parametrize(
    ("processor", "kind"),
    [
        (wants_document, Document),
        (wants_quoted, Document),
        (wants_qualified, Document),
        (Called, Document),
        (Called(), Document),
        (functools.partial(wants_document), Document),
        (wants_text, str),
        (Called().method, str),
        (functools.partial(wants_text, also=6), str),
        (wants_path, type(Path())),
        (wants_unresolvable, type(Path())),
        (lambda path: path, type(Path())),
        (lambda *paths: paths[0], type(Path())),
    ],
)
def test_a_processor_gets_what_its_parameter_is_annotated_with(processor, kind):
    """A Document, the path as text, or else the path: the tutorial's function runs unchanged."""
    given = loaded(processor).call(document())
    assert type(given) is kind
    assert str(getattr(given, "path", given)) == "/in/a.txt"


# ── fingerprints ─────────────────────────────────────────────────────────────────────────────


def closure(value):
    def go(path):
        return value, path

    return go


def recursive():
    def go(path):
        return go

    return go


def with_default(path, value=1):
    return value


class Configured:
    def __init__(self, value):
        self.value = value

    def __call__(self, path):
        return self.value


def same(one, other):
    return fingerprint_of(one) == fingerprint_of(other)


@pytest.mark.parametrize(
    "make",
    [
        closure,
        Configured,
        lambda value: Configured(value).__call__,
        lambda value: functools.partial(with_default, value=value),
        lambda value: functools.partial(with_default, value),
        lambda value: closure([{"deep": (value,)}]),
        lambda value: closure([[[[[[[[{"deep": value}]]]]]]]]),
        lambda value: closure(closure(value)),
        lambda value: Configured(Configured(value)),
    ],
)
def test_what_a_processor_carries_is_part_of_it(make):
    """Another threshold makes other results: other arguments, another fingerprint."""
    assert same(make(1), make(1))
    assert not same(make(1), make(2))
    assert not same(make("1"), make(1))


def test_code_is_part_of_it():
    """Two functions of one name and another body are two."""
    assert not same(lambda path: 1, lambda path: 2)
    assert not same(lambda path: path.name, lambda path: path.stem)
    assert same(eval("lambda path: 1"), eval("lambda path: 1"))
    assert not same(wants_text, wants_path)


def test_the_order_of_a_dict_is_not():
    """A configuration read in another order is the same."""
    assert same(closure({"a": 1, "b": 2}), closure({"b": 2, "a": 1}))


@pytest.mark.parametrize(
    "make",
    [
        recursive,
        lambda: closure(lambda x: x in {"a", "b", "c"}),
        lambda: functools.reduce(lambda value, _: Configured(value), range(20), object()),
        lambda: closure(object()),
    ],
)
def test_no_address_gets_into_a_fingerprint(make):
    """It is the same at the next start: functions in themselves, deep objects, plain objects."""
    assert same(make(), make())


def test_a_fingerprint_is_the_same_in_another_process(file):
    """Neither hash randomisation nor addresses change it, or no run could be resumed."""
    name = file("""
        import functools
        def inner(path, allowed=frozenset({"a", "b", "c"})):
            return path in {"x", "y", "z"}
        go = functools.partial(lambda path, key: path in {"p", "q", "r"}, key={"k": [1]})
    """)
    code = (
        "import sys; from docherd.processors import load;"
        "print(load(sys.argv[1], b'', ()).fingerprint)"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code, name],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(prints) == 1
    assert re.fullmatch(r"[0-9a-f]{16}\n", prints.pop())


def test_a_changed_file_changes_the_fingerprint(file):
    """An edited function is another processor."""
    before = loaded(file("def go(path): return 1", name="one.py")).fingerprint
    again = loaded(file("def go(path): return 1", name="two.py")).fingerprint
    after = loaded(file("def go(path): return 2", name="three.py")).fingerprint
    assert before == again != after


def test_a_class_without_source_is_known_by_its_methods():
    """Typed at a prompt: another body is another processor, the same one the same."""

    def made(body):
        scope = {}
        exec(f"class Typed:\n    def __call__(self, path):\n        return {body}", scope)
        return fingerprint_of(scope["Typed"])

    assert made("1") == made("1") != made("2")
