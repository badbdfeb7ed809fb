"""The example plugins as a user has them: a file on two workers, killed and resumed; a package that pip installs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from support.small_corpus import digests, kill_session

from dataengine.config.recipe import load
from dataengine.errors import RunError
from dataengine.pipeline import execute
from dataengine.plugins.installed import find
from dataengine.plugins.kinds import Kind
from dataengine.testing import InProcess, check_scorer, write_corpus, write_recipe

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = "from dataengine.cli.main import app; app()"
IN_PROCESS = """
import sys
from dataengine.config.recipe import load
from dataengine.pipeline import execute
from dataengine.testing import InProcess
execute(load(sys.argv[1]), engine=InProcess())
"""


def _recipe(folder: Path, corpus: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    sources = [{"type": "folder", "name": "in", "path": str(corpus), "buckets": 6}]
    blocks = {
        "plugins": [str(EXAMPLES / "plugins/warmth.py")],
        "score": {"scorers": [{"name": "technical"}, {"name": "warmth"}], "device": "cpu"},
        "sources": sources,
        **changes,
    }
    path = write_recipe(folder, **blocks)
    rule = {"name": "cold", "keep": "warmth >= 0", "on_missing": "drop", "reason": "cold colours"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "warm", "version": "1", "rules": [rule]}))
    return path


def _run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_plugin_file_on_two_workers_killed_and_resumed(tmp_path: Path) -> None:
    """The same bytes as of a run in one process; that the file itself is not needed there, tests/plugins shows."""
    write_corpus(tmp_path / "in", images=12, videos=2)
    killed, whole = (_recipe(tmp_path / name, tmp_path / "in") for name in ("killed", "whole"))
    assert "warmth.py" in _run("validate", str(killed))
    command = [sys.executable, "-c", COMMAND, "run", str(killed), "--workers", "2"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    tables = tmp_path / "killed/ws/annotations"
    while not list(tables.glob("warmth-*/*.parquet")):
        assert process.poll() is None, "ended before it had scored anything"
        time.sleep(0.01)
    kill_session(process)
    assert process.returncode == -signal.SIGKILL
    _run("run", str(killed), "--workers", "2")
    execute(load(whole), engine=InProcess())
    releases = [tmp_path / name / "ws/releases/test" for name in ("killed", "whole")]
    assert digests(releases[0]) == digests(releases[1])
    manifest = json.loads((releases[0] / "manifest.json").read_bytes())
    assert [step["rule"] for step in manifest["funnel"]] == ["cold"] and 0 < manifest["funnel"][0]["dropped"] < 14
    assert manifest["plugins"][0]["offers"] == ["scorer warmth"]
    rows = pq.read_table(releases[0] / "ledger.parquet").to_pylist()
    uri = next(row["uri"] for row in rows if row["outcome"] == "filtered")
    explained = _run("explain", str(killed), uri)
    assert "filtered: cold" in explained and "warmth" in explained


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, installed by pip without network into a folder of its own."""
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    subprocess.run(["cp", "-r", str(EXAMPLES / "plugin_package"), str(source)], check=True)
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *flags, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_a_package_that_is_installed_offers_its_scorer_by_name(site: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=4)
    recipe = _recipe(tmp_path, tmp_path / "in", plugins=[], score={"scorers": [{"name": "edges", "threshold": 20}]})
    rule = {"name": "flat", "keep": "edges > 0", "on_missing": "drop", "reason": "a flat colour"}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump({"name": "edges", "version": "1", "rules": [rule]}))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]])}
    subprocess.run([sys.executable, "-c", IN_PROCESS, str(recipe)], check=True, env=env)
    manifest = json.loads((tmp_path / "ws/releases/test/manifest.json").read_bytes())
    [used] = manifest["plugins"]
    assert used["name"] == "dataengine-edges 0.1.0" and used["offers"] == ["scorer edges"]
    assert manifest["scores"]["edges"]["before"]["count"] == 4


@pytest.fixture
def imported(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))


def test_the_scorer_of_the_package_keeps_the_contract(imported: None) -> None:
    from dataengine_edges.scorer import Edges  # type: ignore[import-not-found]

    check_scorer(Edges())


def test_other_code_on_a_node_is_refused(imported: None) -> None:
    there = find(Kind.SCORER, "edges")
    assert there is not None and there.package == "dataengine-edges 0.1.0"
    assert there.offers(Kind.SCORER)["edges"].__module__ == "dataengine_edges.scorer"
    with pytest.raises(RunError, match=r"the driver has dataengine-edges 0\.1\.0 \(000.*node .* has other code"):
        replace(there, code="0" * 64).offers(Kind.SCORER)
    assert find(Kind.SCORER, "no_such") is None
