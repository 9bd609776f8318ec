"""Failures with the same message, counted in flat memory."""

from docherd.messages import DIFFERENT, EXAMPLES, Messages
from docherd.model import Reason, Status
from docherd.remembered import Failure


def failure(message, reason=Reason.ERROR, detail=None):
    return Failure("id", "a.pdf", Status.FAILED, reason, message, detail, 1, 0.1, 1, "docherd try")


def test_numbers_and_paths_do_not_tell_messages_apart():
    """One line for what failed the same way."""
    messages = Messages()
    said = ["page 3 of /a/b.pdf at 0x7f", "page 41 of c/d.pdf at 0x80", "no page"]
    assert list(messages.passing(map(failure, said))) == list(map(failure, said))
    both, one = messages.of(Reason.ERROR, 5)
    assert (both.number, [each.message for each in both.examples]) == (2, said[:2])
    assert one.number == 1
    assert messages.of(Reason.TIMEOUT, 5) == []


def test_what_is_frequent_is_found_however_late_it_begins():
    """A hundred thousand messages, each once, do not hide one that came 500 times."""
    messages = Messages()
    for n in range(50 * DIFFERENT):
        messages.add(failure("x" * (n % 299) + "y" * (n // 299)))
        if n % 10 == 9 and n > 40 * DIFFERENT:
            messages.add(failure("the same"))
    first = messages.of(Reason.ERROR, 1)[0]
    assert first.examples[0].message == "the same"
    assert first.number <= 100
    assert len(messages.of(Reason.ERROR, 10**6)) <= DIFFERENT


def test_little_is_kept_of_each():
    """Three of them, and the end of what they printed."""
    messages = Messages()
    for _ in range(9):
        messages.add(failure("boom", detail="d" * 100_000 + "end"))
    (boom,) = messages.of(Reason.ERROR, 5)
    assert (boom.number, len(boom.examples)) == (9, EXAMPLES)
    assert boom.examples[0].detail.endswith("end")
    assert len(boom.examples[0].detail) == 2000
