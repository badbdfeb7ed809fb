"""The scripts of cron and Slurm, without either: exit codes that are tried again, a plan of stages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Path]:
    """A command that ends with each of the codes that it is given, one a try."""
    path = tmp_path / "counted"
    path.write_text(f'#!/bin/sh\necho >> {tmp_path}/tries\neval "exit \\${{$(wc -l < {tmp_path}/tries)}}"\n')
    path.chmod(0o755)
    yield path


@pytest.mark.parametrize(
    ("codes", "tries"), [("0", 1), ("2 0", 1), ("3 0", 1), ("4 0", 1), ("1 0", 2), ("5 137 0", 3), ("5 5 5 1 0", 4)]
)
def test_cron_tries_again_what_may_help(counted: Path, codes: str, tries: int) -> None:
    environment = {"PATH": "/usr/bin:/bin", "RETRY_SECONDS": "0"}
    command = [str(ROOT / "infra/cron/retrying"), str(counted), *codes.split()]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=600)
    assert done.returncode == int(codes.split()[tries - 1])
    assert len((counted.parent / "tries").read_text().splitlines()) == tries


@pytest.mark.parametrize("script", ["slurm/submit", "slurm/stage.sbatch", "cron/retrying", "ensure-slurm"])
def test_scripts_parse(script: str) -> None:
    subprocess.run(["bash", "-n", str(ROOT / "infra" / script)], check=True)


def test_the_last_line_of_a_plan_needs_no_end(tmp_path: Path) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 7\n")
    sbatch.chmod(0o755)
    (tmp_path / "plan").write_text("# two stages\n\ningest 2\nrelease 1 --mem=1G")
    done = subprocess.run(
        [str(ROOT / "infra/slurm/submit"), str(tmp_path / "plan"), "r.yaml", "ws"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "DATAENGINE_RUN": "nightly"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["7 ingest --array=1-2", "7 ingest ", "7 release --mem=1G", "run nightly"]
