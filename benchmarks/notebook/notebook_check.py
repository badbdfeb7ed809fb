"""Called by ``check_notebook``: runs a notebook, then cells that interrupt and cancel runs; prints a line for each that holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

_SETUP = """
import os, signal, threading, time
import dataengine as de
from dataengine.testing import write_corpus, write_recipe

write_corpus("in", images=400)
sources = [{"type": "folder", "name": "in", "path": "in", "buckets": 40}]
recipe = write_recipe(".", sources=sources, workers=2)
"""
_INTERRUPTED = """
def interrupt():  # as the notebook's stop button does
    while not list(os.scandir("ws/stages/ingest/parts")) if os.path.isdir("ws/stages/ingest/parts") else True:
        time.sleep(0.2)
    os.killpg(os.getpgrp(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
de.run(recipe)
"""
_AFTER = """
made = len(os.listdir("ws/stages/ingest/parts"))
time.sleep(3)
assert len(os.listdir("ws/stages/ingest/parts")) == made and not os.listdir("ws/lease"), "workers go on"
print(made, "parts of 40 were committed")
"""
_CANCELLED = """
beside = de.run(recipe, wait=False)
while not any(one.name == "ingest" for one in beside.stages):
    time.sleep(0.2)
print(beside.samples().num_rows, "samples while it runs")
beside.cancel()
print(beside)
"""
_LAST = """
last = de.run(recipe)
print(last, last.stages[0].made, len(last.ledger()))
"""


def executed(notebook: Any, folder: Path, errors: bool) -> Any:
    client = NotebookClient(
        notebook, timeout=300, allow_errors=errors, resources={"metadata": {"path": str(folder)}}, kernel_name="python3"
    )
    return client.execute()


def main() -> None:
    folder = Path(sys.argv[2])
    (folder / "example").mkdir()
    example = executed(nbformat.read(sys.argv[1], 4), folder / "example", errors=False)
    outputs = [one for cell in example.cells for one in cell.get("outputs", ())]
    tables = [one for one in outputs if "<progress" in one.get("data", {}).get("text/html", "")]
    assert len(tables) == 2 and all("done" in one["data"]["text/html"] for one in tables), "one table a run, at its end"
    errors = [one.text for one in outputs if one.get("name") == "stderr" and "ipywidgets" not in one.text]
    assert not errors, errors  # tqdm and Ray ask for ipywidgets
    print(f"ok: {Path(sys.argv[1]).name}: {len(outputs)} outputs, a table of progress for each of {len(tables)} runs")
    cells = [nbformat.v4.new_code_cell(source) for source in (_SETUP, _INTERRUPTED, _AFTER, _CANCELLED, _LAST)]
    done = executed(nbformat.v4.new_notebook(cells=cells), folder, errors=True).cells
    [error] = [one for one in done[1].outputs if one.output_type == "error"]
    assert error.ename == "KeyboardInterrupt" and "Committed work is kept" in error.evalue, error
    print(f"ok: interrupted: {error.evalue}")
    for name, cell in zip(("afterwards", "cancelled", "again"), done[2:], strict=True):
        assert not [one for one in cell.outputs if one.output_type == "error"], cell.outputs
        text = "".join(one.text for one in cell.outputs if one.get("name") == "stdout").strip()
        print(f"ok: {name}: {text.replace(chr(10), '; ')}")


if __name__ == "__main__":
    main()
