"""Lists the samples of a release by shard, with the places of their bytes."""

from __future__ import annotations

from dataengine.samples.locate import Located, locate
from dataengine.shards.plan import PLAN
from dataengine.stage import Run


def samples_by_shard(run: Run) -> dict[str, list[Located]]:
    """The samples of each shard of the release, by the shard's name."""
    files = run.records["shard.assign"].parts["all"].files
    return {
        role.removeprefix("plan/"): locate(run.workspace.read_table([file], PLAN))
        for role, file in sorted(files.items())
        if role.startswith("plan/")
    }
