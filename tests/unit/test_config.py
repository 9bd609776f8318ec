"""Options: one table for flags, TOML and Python, checked in one place."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.config import FORMATS, PROGRESS, Options, flags, read_file
from docherd.exceptions import UsageError

fixed = settings(derandomize=True, deadline=None, max_examples=100)

#: a value for every option, as Python, as text, and as it is then kept
VALUES = {
    "processor": [("mine.py:go", "mine.py:go")],
    "workers": [(4, 4), ("4", 4), ("auto", "auto")],
    "memory": [(8_000_000_000, 8_000_000_000), ("8GB", 8_000_000_000), ("1GiB", 1 << 30)],
    "timeout": [(90, 90.0), (0.5, 0.5), ("5m", 300.0), ("1h30m", 5400.0)],
    "stall": [(2, 2.0), ("2m", 120.0), ("500ms", 0.5)],
    "format": [(each, each) for each in FORMATS],
    "max_output": [("10MB", 10_000_000), (5, 5)],
    "max_input": [("10MB", 10_000_000), (5, 5)],
    "force": [(True, True)],
    "retries": [(2, 2), ("0", 0)],
    "max_failures": [(0, 0), ("12", 12)],
    "max_interruptions": [(0, 0), ("3", 3)],
    "exit_zero": [(True, True)],
    "include": [("*.pdf", ("*.pdf",)), (["*.pdf", "a/**"], ("*.pdf", "a/**")), ((), ())],
    "exclude": [(["*.tmp"], ("*.tmp",))],
    "hidden": [(True, True)],
    "limit": [(1, 1), ("100", 100)],
    "checksum": [(True, True)],
    "dedup": [(True, True)],
    "prune": [(True, True)],
    "nice": [(19, 19), ("0", 0)],
    "passwords": [(["a", "b"], ("a", "b"))],
    "progress": [(each, each) for each in PROGRESS],
    "verbose": [(False, False)],
}


def test_every_option_has_a_value_in_this_file():
    """A new option has to say here how it is given."""
    assert list(VALUES) == [name for name, _ in flags()]


@pytest.mark.parametrize(
    ("name", "given", "kept"), [(n, *pair) for n, pairs in VALUES.items() for pair in pairs]
)
def test_an_option_takes_python_values_and_text(name, given, kept):
    """TOML, Python and the command line reach the same value."""
    value = getattr(Options.of({name: given}), name)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize("name", VALUES)
def test_none_is_the_default(name):
    """A caller that passes its own optional argument on need not look at it first."""
    assert Options.of({name: None}) == Options()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", 1001),
        ("workers", -1),
        ("workers", "two"),
        ("workers", 1.5),
        ("workers", True),
        ("workers", "²"),
        ("memory", 63_999_999),
        ("memory", "8"),
        ("memory", "8 bananas"),
        ("timeout", 0),
        ("timeout", "0s"),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("stall", 0),
        ("limit", 0),
        ("nice", 20),
        ("nice", -1),
        ("retries", "-1"),
        ("hidden", "yes"),
        ("hidden", 1),
        ("include", 7),
        ("include", [b"*.pdf"]),
        ("include", {"a": 1}),
        ("progress", "fancy"),
        ("processor", 5j),
    ],
)
def test_a_value_without_sense_is_refused_by_its_name(name, value):
    """The message says which option is wrong, on one line."""
    with pytest.raises(UsageError, match=f"^{name}: ") as caught:
        Options.of({name: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_option_is_refused_with_the_nearest_one():
    """A typing error is not silently ignored."""
    with pytest.raises(UsageError, match="no option 'worker'; did you mean workers"):
        Options.of({"worker": 4})
    with pytest.raises(UsageError, match=r"no option 'xyzzy'$"):
        Options.of({"xyzzy": 4})


@fixed
@given(
    st.sampled_from(list(VALUES)),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())),
)
def test_any_value_is_taken_or_refused(name, value):
    """Nothing but a UsageError comes out of a configuration file."""
    try:
        assert isinstance(Options.of({name: value}), Options)
    except UsageError:
        pass


def test_what_results_depend_on_is_pinned():
    """Workers, memory, time, the limit and the display never make another run."""
    assert Options(include=("*.pdf",)).pinned() == {
        "format": "jsonl",
        "max_output": 1_000_000_000,
        "max_input": 2_000_000_000,
        "include": ["*.pdf"],
        "exclude": [],
        "hidden": False,
        "dedup": False,
    }


def test_no_password_is_ever_remembered():
    """What `resume` starts with holds nothing secret."""
    remembered = Options(passwords=("hunter2",), workers=3).remembered()
    assert "hunter2" not in repr(remembered)
    assert remembered["workers"] == 3


def test_what_is_remembered_can_be_taken_again():
    """run.json's options are options: `resume` gets what was given."""
    given = Options.of(
        {"memory": "8GB", "workers": "auto", "timeout": 2.5, "include": ["*.pdf"], "limit": 7}
    )
    assert Options.of(given.remembered()) == given


def test_every_flag_explains_itself():
    """No option without help, and none whose text breaks argparse's formatting."""
    for name, flag in flags():
        assert flag.help, name
        flag.help % {}  # "80 %%": argparse formats it
        if flag.parse:
            assert flag.metavar, name


def test_options_cannot_be_changed():
    """A run's options are those it was started with."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().workers = 3


def test_a_toml_file_holds_the_same_names(tmp_path):
    """--config takes options by their names."""
    file = tmp_path / "c.toml"
    file.write_text('workers = 3\nmemory = "2GB"\ninclude = ["*.pdf"]\nhidden = true\n')
    assert Options.of(read_file(file)) == Options(
        workers=3, memory=2_000_000_000, include=("*.pdf",), hidden=True
    )


@pytest.mark.parametrize("content", [b"workers = ", b"\xff\xfe", b"a = 1\na = 2\n", None])
def test_a_file_that_is_no_toml_is_refused(tmp_path, content):
    """The message names the file."""
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"--config .*c\.toml: "):
        read_file(file)
