"""In a real notebook kernel, where functions live in cells and Ctrl-C is a button."""

import asyncio
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from oracle import MARK, leftovers

CELLS = (
    """
import docherd, pathlib
folder = pathlib.Path("letters"); folder.mkdir()
for number in range(50):
    (folder / f"{number}.txt").write_text("a b " * number)
paths = sorted(folder.iterdir())
""",
    """
class Words:
    def __init__(self):
        self.seen = 0
    def __call__(self, path):
        self.seen += 1
        if path.stem == "7":
            import ctypes; ctypes.string_at(0)
        return {"words": len(path.read_text().split()), "seen": self.seen}
results = list(docherd.process(paths, Words, workers=2, progress=True, ordered=True))
failed = [r for r in results if not r.ok]
print([(pathlib.Path(r.path).name, str(r.reason)) for r in failed],
      sum(r.value["words"] for r in results if r.ok))
""",
    """
for result in docherd.process(paths, lambda path: path.name):
    break
print(result.value == result.path.name)
""",
    """
summary = docherd.run("letters", "out", Words, workers=2, progress="none", exit_zero=True)
print(summary.counts.done, summary.counts.failed)
print(len(docherd.open("out").to_pandas()))
""",
    """
def hang(path):
    pathlib.Path("hanging").touch()
    __import__("time").sleep(1000)
for result in docherd.process(paths, hang):
    pass
""",
)


@pytest.fixture
def printed(tmp_path: Path) -> list[str]:
    """What each cell printed; the last one is interrupted, as by the stop button."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(
        book,
        timeout=60,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        allow_error_names=["KeyboardInterrupt"],
    )

    async def execute() -> None:
        stop = asyncio.create_task(_press_stop(client, tmp_path / "hanging"))
        await client.async_execute(env=dict(os.environ, **MARK))
        await stop

    asyncio.run(execute())
    return [_text(cell) for cell in book.cells]


async def _press_stop(client: NotebookClient, when: Path) -> None:
    while not when.exists():
        await asyncio.sleep(0.02)
    await client.km.interrupt_kernel()


def _text(cell: nbformat.NotebookNode) -> str:
    shown = [each for each in cell.outputs if each.get("name") != "stderr"]
    return "".join(each.get("text") or each.get("ename", "") for each in shown)


def test_a_notebook(printed: list[str], tmp_path: Path):
    _, words, first, durable, stopped = printed
    assert words == f"[('7.txt', 'crash')] {sum(2 * n for n in range(50) if n != 7)}\n"
    assert first == "True\n"
    assert durable == "49 1\n49\n"
    assert stopped == "KeyboardInterrupt"
    assert leftovers() == []
