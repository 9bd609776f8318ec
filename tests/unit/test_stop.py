"""How a run is asked to end early."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from docherd import stop as room
from docherd.stop import GRACE, Level, Stop, signals


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""
    now = [100.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    return now


def test_the_first_interrupt_finishes_what_is_in_hand():
    """The second stops now."""
    stop = Stop()
    assert stop.level is Level.GO_ON
    stop.request(signal.SIGINT)
    assert stop.level is Level.DRAIN
    stop.request(signal.SIGINT)
    assert stop.level is Level.NOW


def test_sigterm_leaves_ten_seconds(clock):
    """Kubernetes kills after thirty; a second SIGTERM does not prolong the time."""
    stop = Stop()
    stop.request(signal.SIGTERM)
    assert stop.level is Level.DRAIN
    clock[0] += GRACE - 1
    stop.request(signal.SIGTERM)
    assert stop.level is Level.DRAIN
    clock[0] += 2
    assert stop.level is Level.NOW


def test_an_interrupt_does_not_wait_for_the_clock(clock):
    """What is in hand has its own timeouts: Ctrl-C sets no deadline."""
    stop = Stop()
    stop.request(signal.SIGINT)
    clock[0] += 1000
    assert stop.level is Level.DRAIN


def test_an_interrupt_after_sigterm_stops_now():
    """Whoever asks twice means it."""
    stop = Stop()
    stop.request(signal.SIGTERM)
    stop.request(signal.SIGINT)
    assert stop.level is Level.NOW


def test_the_first_signal_is_the_one_we_die_of():
    """The exit code tells who asked."""
    stop = Stop()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        stop.request(number)
    assert stop.signal == signal.SIGHUP


def test_every_request_wakes_the_loop():
    """It need not wait for the next tick."""
    stop, woken = Stop(), []
    stop.wake = lambda: woken.append(stop.level)
    stop.request(signal.SIGINT)
    stop.request(signal.SIGTERM)
    assert woken == [Level.DRAIN, Level.DRAIN]


def test_the_third_interrupt_ends_the_process_at_once():
    """A run that cannot even stop is still stopped by Ctrl-C."""
    code = (
        "import signal; from docherd.stop import Stop; s = Stop();"
        "[s.request(signal.SIGINT) for _ in range(3)]; print('alive')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGINT
    assert ended.stdout == b""


def test_signals_speak_to_the_stop_and_are_given_back():
    """Handlers are ours only while the run goes on."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    stop, woken = Stop(), []
    stop.wake = lambda: woken.append(1)
    with signals(stop):
        for number in (signal.SIGUSR1, signal.SIGQUIT, signal.SIGHUP):
            os.kill(os.getpid(), number)
    assert (stop.tell, stop.dump, stop.level) == (True, True, Level.DRAIN)
    assert len(woken) == 3
    assert {n: signal.getsignal(n) for n in before} == before


def test_asking_where_it_stands_does_not_end_a_run():
    """SIGUSR1 and SIGQUIT are questions."""
    stop = Stop()
    with signals(stop):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert (stop.tell, stop.dump, stop.level, stop.signal) == (True, False, Level.GO_ON, None)


def test_nohup_is_respected():
    """A hang-up that was ignored at the start stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with signals(stop):
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.level is Level.GO_ON
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_of_the_main_thread_nothing_is_changed():
    """A run inside a web server leaves the signals to it."""
    handlers = []

    def run():
        with signals(Stop()):
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
