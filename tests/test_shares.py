"""Processes that make one stage between them: each a share of its parts, and a last one that commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import letters

from dataengine.config.model_server import ModelServer
from dataengine.config.share import Share
from dataengine.errors import HeldError, UsageError
from dataengine.pipeline import execute
from dataengine.storage.lease import RUN, Lease
from dataengine.storage.store import Store
from dataengine.testing import InProcess


def make(
    workspace: Path, text: str = "abcdefgh", only: str = "count", share: str = "1/1"
) -> dict[str, tuple[str, int]]:
    plan = letters.plan(text)
    reports = execute(letters.recipe(workspace), only, plan=plan, engine=InProcess(), share=Share.parse(share))
    return {r.name: (r.state, r.made) for r in reports}


def files(workspace: Path) -> dict[str, bytes]:
    """All that a run leaves behind, but for its times and process ids."""
    paths = (p for p in workspace.rglob("*") if p.is_file())
    names = {p: p.relative_to(workspace).as_posix() for p in paths}
    return {
        name: p.read_bytes() for p, name in names.items() if not name.startswith(("costs/", "runs/", "pids/", "lease/"))
    }


@pytest.mark.parametrize("of", [2, 3, 8, 11])
def test_shares_are_disjoint_even_and_complete(of: int) -> None:
    parts = list(range(8))
    shares = [Share(number, of).select(parts) for number in range(1, of + 1)]
    assert sorted(part for share in shares for part in share) == parts
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "3/0", "-1/8", "a/b", "3/8/2", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="such as 3/8"):
        Share.parse(text)


def test_shares_commit_nothing_and_the_last_run_only_commits(tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    assert make(one) == {"count": ("done", 8)}
    assert make(many, share="2/3") == {"count": ("partly done", 3)}
    assert make(many, share="2/3") == {"count": ("partly done", 0)}, "it is resumed"
    assert make(many, share="1/3") == {"count": ("partly done", 3)}
    assert list((many / "stages" / "count").glob("*.json")) == []
    with pytest.raises(UsageError, match="count is not up to date"):
        make(many, only="sum")
    assert make(many) == {"count": ("done", 2)}, "what a share has left out is made"
    assert make(many, share="3/3") == {"count": ("up to date", 0)}, "one that comes too late"
    assert files(many) == files(one)


def test_a_share_of_what_has_no_parts_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(UsageError, match=r"sum has no parts: run `dataengine run RECIPE --only sum` without --parts"):
        make(tmp_path, only="sum", share="1/2")


def test_a_share_of_a_stage_that_starts_servers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = letters.recipe(tmp_path)
    server = ModelServer.model_validate({"packaged": "smollm2"})
    recipe.model_servers["vlm"] = server
    monkeypatch.setattr(letters.Count, "servers", lambda self, recipe: ("vlm",))
    with pytest.raises(UsageError, match="count starts model servers"):
        execute(recipe, "count", plan=letters.plan("ab"), engine=InProcess(), share=Share(1, 2))


def test_tasks_of_one_run_share_the_workspace_and_another_scheduler_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, "nightly")
    other_task = Lease(Store(tmp_path), "letters")
    other_task.take()
    try:
        assert make(tmp_path, share="1/2") == {"count": ("partly done", 4)}
        monkeypatch.setenv(RUN, "by hand")
        with pytest.raises(HeldError, match="run nightly") as refused:
            make(tmp_path, share="2/2")
        assert refused.value.exit_code == 5
    finally:
        other_task.close()
