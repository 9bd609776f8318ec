"""The shape of the package: its public names, what imports what, and how large a piece may be."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import docherd

SOURCE = Path(docherd.__file__).parent

#: what may be larger, or imports in a circle, for now: entries go, none comes
TOO_LONG_MODULES: set[str] = set()
TOO_LONG_FUNCTIONS: set[str] = set()
TOO_MANY_PARAMETERS: set[str] = set()
CIRCLES: set[frozenset[str]] = set()
#: signatures that say Any: dataclasses.field is typed so, SQLite's rows are whatever they are;
#: and, for now, what comes out of JSON
ANY = {"config._option", "readonly.rows", "view.__init__"}

NOUNS = {
    *("version", "model", "exceptions", "units", "quoting", "guide", "config", "patterns"),
    *("cgroups", "host", "pressure"),
}
ENGINE = {
    *("engine", "start", "job", "pace", "once", "dryrun", "repair", "rebuild"),
    *("sample", "planning", "herald", "intake"),
}
TOP = {"arguments", "cli", "commands", "doctor", "queries", "upkeep", "api", "__main__", ""}
#: rooms of the walk, which do not know each other but for these
WALK = {
    *("source", "ledger", "window", "forecast", "scheduler", "pool", "worker", "segment"),
    *("identity", "folder", "stop", "log", "feed"),
}
NEIGHBOURS = {("segment", "ledger"), ("folder", "identity")}


@cache
def modules():
    """Every module of ours by its name below docherd, parsed."""
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


@cache
def imports():
    """(importer, imported) among ours, whether at the top, in a function or for types only."""
    pairs = set()
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: a relative import"
                wanted = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            pairs |= {(name, ours) for each in wanted if (ours := our(each)) is not None}
    return {(one, other) for one, other in pairs if one != other}


def our(dotted):
    """The module of ours that ``docherd.a.b`` is or lies in."""
    parts = dotted.split(".")
    if parts[0] != "docherd":
        return None
    while ".".join(parts[1:]) not in modules():
        parts.pop()
    return ".".join(parts[1:])


def functions():
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", node


# ── public names ─────────────────────────────────────────────────────────────────────────────

PUBLIC = {
    *("run", "process", "process_chunks", "open", "Run", "Stream", "Result"),
    *("Summary", "Counts", "Failure", "Document", "Reason", "Status", "__version__"),
    *("DocherdError", "UsageError", "ProcessorError", "EnvironmentFault", "DamageError"),
    *("NothingFound", "RunLocked", "PolicyStop"),
    *("DocumentError", "EncryptedError", "CorruptError", "EmptyError", "TooLargeError"),
    "UnsupportedError",
}


def test_the_public_names_are_these():
    """Adding one is a promise; removing one breaks somebody's program."""
    assert set(docherd.__all__) == PUBLIC == set(dir(docherd))
    assert len(docherd.__all__) == len(PUBLIC)


def test_every_public_name_can_be_used_and_is_known_to_type_checkers():
    """The table at run time and the imports for types say the same."""
    for name in PUBLIC:
        assert getattr(docherd, name)
    typed = {
        alias.asname
        for node in ast.walk(modules()[""])
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("docherd.")
        if node.module != "docherd.version"
        for alias in node.names
    }
    assert typed == PUBLIC - {"__version__"}


def test_another_name_is_an_attribute_error():
    """hasattr works."""
    assert not hasattr(docherd, "nothing_of_that_name")


def test_every_error_has_its_exit_code():
    """The codes are an interface that scripts rely on."""
    codes = {
        name: getattr(docherd, name).exit_code
        for name in PUBLIC
        if isinstance(getattr(docherd, name), type)
        and issubclass(getattr(docherd, name), docherd.DocherdError)
        and not issubclass(getattr(docherd, name), docherd.DocumentError)
    }
    assert codes == {
        "DocherdError": 70,
        "UsageError": 2,
        "ProcessorError": 2,
        "EnvironmentFault": 3,
        "DamageError": 4,
        "NothingFound": 5,
        "RunLocked": 6,
        "PolicyStop": 7,
    }


# ── what is imported when ────────────────────────────────────────────────────────────────────

HEAVY = ("rich", "jinja2", "sqlite3", "lxml", "cloudpickle", "pypdfium2", "docx", "pptx")


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("import docherd", (*HEAVY, "argparse", "docherd.model")),
        ("from docherd.cli import main; sys.argv[1:] = ['--version']; main()", HEAVY),
        ("import docherd.queries", ("rich", "jinja2", "lxml", "docherd.engine", "docherd.pool")),
        ("import docherd.worker", (*HEAVY, "argparse", "docherd.pool", "docherd.ledger")),
    ],
)
def test_nothing_is_imported_before_it_is_needed(code, light):
    """`docherd --version`, `docherd status` and a worker's start take milliseconds."""
    asked = f"import sys, atexit; atexit.register(lambda: print(*sys.modules)); {code}"
    ended = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    loaded = set(ended.stdout.split())
    assert "docherd" in loaded
    assert loaded & set(light) == set()


# ── what imports what ────────────────────────────────────────────────────────────────────────


def level(module):
    """0 nouns, 1 rooms, 2 engine, 3 command line and Python."""
    if module in TOP:
        return 3
    return 0 if module in NOUNS else 2 if module in ENGINE else 1


def test_imports_run_one_way():
    """nouns ← rooms ← engine ← command line; only the version comes from above."""
    assert not {(a, b) for a, b in imports() if level(a) < level(b) and b}


def test_the_lowest_noun_imports_nothing_of_ours():
    """Everybody may import model."""
    assert not {b for a, b in imports() if a == "model"}


def test_rooms_of_the_walk_do_not_know_each_other():
    """The engine carries things between them."""
    pairs = {(a, b) for a, b in imports() if a in WALK and b in WALK}
    assert pairs == NEIGHBOURS


def test_no_imports_go_in_a_circle():
    """Not even inside functions or for types; the package itself, which re-exports, aside."""
    below = {name: {b for a, b in imports() if a == name and b} for name in modules() if name}
    reach = {name: reachable(name, below) for name in below}
    circles = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in below
        if name in reach[name]
    }
    assert circles == CIRCLES


def reachable(name, below):
    found, waiting = set(), [name]
    while waiting:
        new = below[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    return found


# ── how large a piece may be ─────────────────────────────────────────────────────────────────


def test_no_module_is_longer_than_400_lines():
    """What does not fit is two things."""
    lengths = {
        name: len((SOURCE / f"{name.replace('.', '/')}.py").read_text().splitlines())
        for name in modules()
        if (SOURCE / f"{name.replace('.', '/')}.py").exists()
    }
    assert {name for name, length in lengths.items() if length > 400} == TOO_LONG_MODULES


def test_no_function_is_longer_than_60_lines():
    """It fits on a screen."""
    long = {name for name, node in functions() if node.end_lineno - node.lineno >= 60}
    assert long == TOO_LONG_FUNCTIONS


def test_no_function_has_more_than_seven_parameters():
    """More want to be a value with a name."""

    def count(given):
        named = (*given.posonlyargs, *given.args, *given.kwonlyargs)
        return len(named) + bool(given.vararg) + bool(given.kwarg)

    assert {name for name, node in functions() if count(node.args) > 7} == TOO_MANY_PARAMETERS


def test_no_signature_says_any():
    """`object` where anything may come, the real type everywhere else."""

    def says_any(node):
        given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        starred = (node.args.vararg, node.args.kwarg)
        notes = [each.annotation for each in (*given, *starred) if each]
        return any(
            (isinstance(part, ast.Name) and part.id == "Any")
            or (isinstance(part, ast.Attribute) and part.attr == "Any")
            for note in (*notes, node.returns)
            if note
            for part in ast.walk(note)
        )

    assert {name for name, node in functions() if says_any(node)} == ANY


def test_every_module_says_what_it_is_for():
    """The first sentence of each file is its place in the house."""
    assert not [name for name, tree in modules().items() if not ast.get_docstring(tree)]
