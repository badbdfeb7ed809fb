"""Airflow in a folder of its own: its database, its configuration, and the DAGs that a test writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from places import ENVIRONMENT, ROOT

AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"


class AirflowHome:
    """``dags``: the text of ``dags.toml``. Tasks run where the repository lies."""

    def __init__(self, folder: Path, dags: str, **environment: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dags.toml").write_text(dags)
        self.environment = {
            **ENVIRONMENT,
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "infra" / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "DATAENGINE_DAGS": str(folder / "dags.toml"),
            **environment,
        }
        self.call("db", "migrate")

    def call(self, *arguments: str, ok: bool = True, seconds: float = 120) -> str:
        """Output and errors of ``airflow``."""
        done = subprocess.run(
            [str(AIRFLOW), *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0 or not ok, done.stdout[-5000:]
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{arguments[0]}.out").open("wb") as out:
            return subprocess.Popen(
                [str(AIRFLOW), *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def test(self, dag: str, date: str, ok: bool = True, seconds: float = 900) -> str:
        """``airflow dags test``: one run of a DAG, its tasks in order, with their retries. Its log."""
        return self.call("dags", "test", dag, date, ok=ok, seconds=seconds)
