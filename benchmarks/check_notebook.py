"""The example notebook in a real kernel, with runs that are interrupted and cancelled, on Ray.

    python -m benchmarks check_notebook

The kernel is that of ``benchmarks/notebook/notebook.txt``, installed below ``.venv-peers/notebook``; all else it imports
from here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import harness
from peers import install

FILES = harness.ROOT / "benchmarks" / "notebook"


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--limit", type=int, default=600, help="seconds for the installation, and for the notebook")
    options = parser.parse_args()
    report = harness.Report("check_notebook", options)
    if fault := install("notebook", options.limit, FILES):
        sys.exit(f"not installed: {fault}")
    paths = [str(harness.ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    command = [str(harness.PEERS / "notebook" / "bin" / "python"), str(FILES / "notebook_check.py")]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, str(harness.ROOT / "examples" / "corpus.ipynb"), folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=options.limit,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
    rows = [line.removeprefix("ok: ").split(": ", 1) for line in done.stdout.splitlines() if line.startswith("ok: ")]
    report.table("In a kernel", ["what", "what came of it"], rows)
    report.write()
    if done.returncode:
        sys.exit(done.stderr[-4000:])


if __name__ == "__main__":
    main()
