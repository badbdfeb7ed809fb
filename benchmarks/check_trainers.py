"""Preferences opened by their trainers, each in an environment of its own: ``python -m benchmarks check_trainers [--only NAME]``.

A scripted model answers questions about crops of photographs, right two times in three; what its graded paths hold is exported,
and ``benchmarks/trainers/NAME_check.py`` reads it below ``.venv-peers/NAME`` (``NAME.txt`` pins what is installed there).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import harness
from cot_yield import Script, prepare
from peers import install

from dataengine import pipeline
from dataengine.config import recipe as recipes
from dataengine.export.options import Signal, Trainer
from dataengine.export.preferences import Options, export
from dataengine.testing import InProcess, chat_server

FILES = harness.ROOT / "benchmarks" / "trainers"
NAMES = sorted(path.stem for path in FILES.glob("*.txt"))


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--limit", type=int, default=1800, help="seconds for one installation")
    options = parser.parse_args()
    report = harness.Report("check_trainers", options)
    with tempfile.TemporaryDirectory() as folder:
        written = exported(Path(folder), options.samples)
        rows = [[name, *opened(name, written, options.limit)] for name in options.only]
    report.table("Trainers", ["name", "state", "what it says"], rows)
    report.write()
    if any(row[1] != "opened" for row in rows):
        sys.exit(1)


def exported(folder: Path, samples: int) -> dict[str, Path]:
    """Folders of pairs (for TRL and LLaMA-Factory), RL questions and steps of a run on ``samples`` crops."""
    recipe = prepare(folder, samples)
    with chat_server(Script(0.66).reply) as server:
        recipe.write_text(recipe.read_text().replace("ENDPOINT", server.endpoint))
        loaded = recipes.load(str(recipe))
        pipeline.execute(loaded, engine=InProcess())
    run = pipeline.committed(loaded, "cot")
    folders = {}
    for signal, trainer in [*((signal, Trainer.trl) for signal in Signal), (Signal.pairs, Trainer.llamafactory)]:
        name = signal.value if trainer is Trainer.trl else "ranking"
        folders[name] = folder / name
        export(run, str(folders[name]), Options(signal, trainer))
    run.close()
    return folders


def opened(name: str, written: dict[str, Path], limit: int) -> tuple[str, str]:
    """Whether a trainer opens the exports, and the lines that it printed."""
    if fault := install(name, limit, FILES):
        return "not installed", fault
    folders = ["ranking"] if name == "llamafactory" else ["pairs", "rl", "steps"]
    command = [str(harness.PEERS / name / "bin" / "python"), str(FILES / f"{name}_check.py")]
    done = subprocess.run([*command, *(str(written[f]) for f in folders)], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("pairs:", "rl:", "steps:", "ranking:"))]
    return ("opened", "; ".join(lines)) if done.returncode == 0 else ("failed", done.stderr.strip()[-2000:])


if __name__ == "__main__":
    main()
