"""What the command says and how it ends, for good and for wrong commands."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from support.command import dataengine, dataengine_process
from support.small_corpus import POLICY, Setup, digests, stage_lines

STAGES = ("ingest", "dedup", "score", "filter", "tokenize", "shard", "cot", "release")


def fresh(base: Setup, tmp_path: Path, **changes: object) -> Setup:
    return Setup(tmp_path, base.corpus, str(tmp_path / "ws"), changes).write()


def test_help_names_every_command_and_the_exit_codes() -> None:
    text = dataengine_process("--help", env={**os.environ, "COLUMNS": "120"}).stdout
    assert [
        w for w in (*STAGES, "run", "status", "explain", "cost", "publish", "verify", "Exit codes") if w not in text
    ] == []
    assert dataengine_process("--version").stdout.count(".") == 2


def test_dry_run_and_status_write_nothing(base: Setup, tmp_path: Path) -> None:
    setup = fresh(base, tmp_path)
    for done in (setup.run("--dry-run"), setup.run(command="status")):
        told = stage_lines(done.stdout)
        assert told.pop("ingest") == ("pending", 0)
        assert {state for state, _ in told.values()} == {"waiting"}
    assert not [p for p in Path(setup.workspace).rglob("*") if p.is_file()]


def test_dry_run_of_a_changed_policy_says_what_would_run(copy: Setup) -> None:
    copy.write({**POLICY, "version": "2", "rules": POLICY["rules"][:1]})  # type: ignore[index]
    before = digests(Path(copy.workspace))
    told = stage_lines(copy.run("--dry-run").stdout)
    assert [told[s][0] for s in ("ingest", "dedup", "score", "filter", "release")] == [
        *["up-to-date"] * 3,
        "pending",
        "waiting",
    ]
    assert digests(Path(copy.workspace)) == before


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"sede": 7}, "sede:", "did you mean `seed`"),
        ({"workers": 0}, "workers:", "must be at least 1"),
        ({"shard": {"target_bytes": "16 parsecs"}}, "  target_bytes:", "a size is a number with an optional unit"),
        ({"shard": {"splits": {"train": 0.5, "validation": 0.4}}}, "shard:", "add up to 0.9"),
        ({"engine": "sparc"}, "engine:", "use duckdb or spark"),
    ],
)
def test_a_wrong_recipe_ends_with_2_and_names_the_line(
    base: Setup, tmp_path: Path, changes: dict[str, object], line: str, said: str
) -> None:
    setup = fresh(base, tmp_path, **changes)
    done = setup.run(ok=False)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    found = re.search(rf"{re.escape(str(setup.recipe))}:(\d+): ", done.stderr)
    assert found, done.stderr
    assert setup.recipe.read_text().splitlines()[int(found[1]) - 1].startswith(line)
    assert "Traceback" not in done.stderr and not Path(setup.workspace).exists()


def test_all_mistakes_are_told_at_once(base: Setup, tmp_path: Path) -> None:
    setup = fresh(base, tmp_path, sede=7, engine="sparc", workers=0)
    assert len(set(re.findall(r"recipe\.yaml:\d+: ", setup.run(ok=False).stderr))) == 3


def test_a_source_that_is_not_there_ends_with_2(base: Setup, tmp_path: Path) -> None:
    sources = [
        {"type": "folder", "name": "nowhere", "path": f"{tmp_path}/nowhere"},
        {"type": "webdataset", "name": "none", "path": f"{tmp_path}/*.tar"},
    ]
    setup = fresh(base, tmp_path, sources=sources)
    done = setup.run(ok=False)
    assert done.returncode == 2
    assert "source `nowhere`" in done.stderr and "source `none`" in done.stderr and "Traceback" not in done.stderr
    assert not [p for p in Path(setup.workspace).rglob("*") if p.is_file()]


def test_a_wrong_policy_ends_with_2_and_names_file_and_line(base: Setup, tmp_path: Path) -> None:
    setup = fresh(base, tmp_path)
    setup.write({**POLICY, "rules": [{"name": "x", "keep": "blurr > 3", "on_missing": "drop", "reason": "typo"}]})
    done = setup.run(ok=False)
    assert done.returncode == 2 and re.search(rf"{re.escape(str(setup.policy))}:\d+: .*blurr", done.stderr), done.stderr


def test_a_recipe_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    done = dataengine("run", str(tmp_path / "none.yaml"), ok=False)
    assert done.returncode == 2 and "no such file" in done.stderr


def test_a_stage_out_of_order_names_the_stage_to_run(base: Setup, tmp_path: Path) -> None:
    setup = fresh(base, tmp_path)
    done = setup.run(command="filter", ok=False)
    assert done.returncode == 2 and "run `dataengine ingest RECIPE` first" in done.stderr
    assert not [p for p in Path(setup.workspace).rglob("*") if p.is_file()]


def test_a_stage_that_the_recipe_leaves_out_ends_with_2(base: Setup, tmp_path: Path) -> None:
    setup = fresh(base, tmp_path, cot=None)
    done = setup.run(command="cot", ok=False)
    assert done.returncode == 2 and "this recipe has no cot stage" in done.stderr


def test_stages_one_by_one_are_the_whole_run(base: Setup, copy: Setup) -> None:
    """Each stage alone finds itself up to date after a run, and none runs another."""
    assert yaml.safe_load(copy.recipe.read_text())["cot"]
    for stage in STAGES:
        told = stage_lines(copy.run(command=stage).stdout)
        assert set(told.values()) == {("up-to-date", 0)}
        assert list(told)[-1].partition(".")[0] == stage
