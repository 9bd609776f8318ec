"""Sessions of onnxruntime get a worker's share of the cores, unless they are told otherwise."""

from pathlib import Path

import pytest

import docherd
from docherd import host

#: as much of onnxruntime as a session that counts its threads; the real one is in benchmarks/
PACKAGE = """
class SessionOptions:
    intra_op_num_threads = 0

class InferenceSession:
    def __init__(self, path_or_bytes, sess_options=None, providers=None):
        self.threads = sess_options.intra_op_num_threads
        self.given = path_or_bytes, providers
"""


def threads(path):
    import onnxruntime

    own = onnxruntime.SessionOptions()
    own.intra_op_num_threads = 7
    untold = onnxruntime.SessionOptions()
    sessions = [
        onnxruntime.InferenceSession("model", providers=["CPU"]),
        onnxruntime.InferenceSession("model", own, ["CPU"]),
        onnxruntime.InferenceSession("model", sess_options=untold, providers=["CPU"]),
    ]
    assert {each.given for each in map(_hashable, sessions)} == {("model", ("CPU",))}
    assert onnxruntime.__spec__.name == "onnxruntime"
    return {"threads": [each.threads for each in sessions]}


def _hashable(session):
    session.given = session.given[0], tuple(session.given[1])
    return session


@pytest.mark.parametrize("workers", [1, 2])
def test_a_session_gets_a_share_of_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
):
    (tmp_path / "onnxruntime.py").write_text(PACKAGE)
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.syspath_prepend(str(tmp_path))
    (result,) = docherd.process([tmp_path / "a.txt"], threads, workers=workers)
    share = max(1, host.cores() // workers)
    assert result.value == {"threads": [share, 7, share]}, result.error
