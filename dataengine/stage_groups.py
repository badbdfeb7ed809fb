"""Groups of stages: what a command makes by the name of a group or stage, and what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.stage import RecordStage, Stage

#: Blocks of a recipe that may be empty, with what the engine makes by their defaults, and the pages about them.
_WITHOUT_SETTINGS = {
    "cot": "chain-of-thought records in even shares, written by a program",
    "tokenize": "codes of a small tokenizer that is trained on the samples",
    "index": "an index over the embeddings of pictures",
}
_PAGES = {"tokenize": "tokenizer", "index": "search"}


def group_of(stage: str) -> str:
    """``tokenize.fit`` → ``tokenize``."""
    return stage.split(".")[0]


def groups_of(stage: Stage) -> tuple[str, ...]:
    """All groups that make a stage, its own last."""
    return (*stage.also_in, group_of(stage.name))


def needed_by(plan: Sequence[Stage], only: str) -> list[Stage]:
    """The stages of a group, or the named one, and all that they need."""
    wanted = {s.name for s in plan if only in (s.name, *groups_of(s))}
    for stage in reversed(plan):
        if stage.name in wanted:
            wanted.update(stage.needs)
    return [s for s in plan if s.name in wanted]


def last_of(plan: Sequence[Stage], name: str) -> str:
    """Name of the last stage of a group, or of the stage itself."""
    return [s.name for s in plan if name in (s.name, *groups_of(s))][-1]


def require_divisible(stage: Stage, recipe: Recipe) -> None:
    """Raises UsageError for a share of a stage that several processes cannot make between them."""
    names = stage.servers(recipe) if isinstance(stage, RecordStage) else ()
    started = any(recipe.model_servers[name].started for name in names)
    if started or not isinstance(stage, RecordStage):
        why = "starts model servers (or name running ones by url)" if started else "has no parts"
        raise UsageError(f"{stage.name} {why}: run `dataengine run RECIPE --only {stage.name}` without --parts")


def require_stage(plan: Sequence[Stage], name: str) -> None:
    """Raises UsageError where ``name`` is no stage or group of the plan, with what the recipe needs to have it."""
    if any(name in (s.name, *groups_of(s)) for s in plan):
        return
    block, hint = name.partition(".")[0], ""
    if block in _WITHOUT_SETTINGS:
        hint = (
            f". Add `{block}: {{}}` to the recipe, for {_WITHOUT_SETTINGS[block]} (docs/{_PAGES.get(block, block)}.md)"
        )
    elif block in Recipe.model_fields:
        hint = f"; a block `{block}:` in the recipe adds it (docs/recipe.md)"
    known = ", ".join(dict.fromkeys(group_of(s.name) for s in plan))
    raise UsageError(f"this recipe has no {name} stage; it has {known}{hint}")
