"""Task families of plugins: in the registry of a process for as long as it works for a recipe that has them.

What such a task raises while it looks for a question is an abstention; nothing is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_args

from dataengine.config.recipe import Recipe
from dataengine.cot.core.record import MODES, AnswerType, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.registry import DEFAULT_SHARES, TASKS
from dataengine.cot.tasks.tree import CAPABILITIES
from dataengine.errors import InputError, UsageError
from dataengine.plugins import installed
from dataengine.plugins.failure import failure_of, said
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import Plugin
from dataengine.plugins.origin import Origin

T = TypeVar("T")

OWN = frozenset(TASKS)
"""Names of the engine's own families."""
_MOST_OPTIONS = 1000
_USING = threading.Lock()
_used: tuple[Plugin, ...] = ()


def task_plugins(recipe: Recipe) -> tuple[Plugin, ...]:
    """The recipe's plugin files with tasks, and the packages whose tasks ``cot.tasks`` names. Raises UsageError."""
    if recipe.cot is None:
        return ()
    files = [plugin for plugin in recipe.plugins if plugin.offers(Kind.TASK)]
    known = OWN.union(*(plugin.offers(Kind.TASK) for plugin in files))
    named = (installed.find(Kind.TASK, name) for name in sorted(recipe.cot.tasks.keys() - known))
    return (*files, *(plugin for plugin in named if plugin is not None))


def versions(plugins: Sequence[Plugin]) -> list[str]:
    """What the keys of stages that call tasks depend on; nothing where there are no plugins."""
    return [plugin.code for plugin in plugins]


def use(plugins: tuple[Plugin, ...]) -> None:
    """Have these plugins' tasks in the registry of this process, and those of no others. Raises UsageError for a class that is no
    task."""
    global _used
    with _USING:
        if plugins == _used:
            return
        tasks = {name: _guarded(Origin(Kind.TASK, p, name)) for p in plugins for name in p.offers(Kind.TASK)}
        for name in TASKS.keys() - OWN:
            del TASKS[name], DEFAULT_SHARES[name]
        TASKS.update(tasks)
        DEFAULT_SHARES.update({name: task.share for name, task in tasks.items()})
        _used = plugins


def _guarded(origin: Origin) -> Task:
    """An object of the plugin's class that abstains where its methods raise."""
    base = origin.class_
    if not issubclass(base, Task):
        raise UsageError(f"{origin}: {base.__name__} is no subclass of dataengine.Task")
    if mistakes := [*_missing(base), *_wrong(base)]:
        raise UsageError(f"{origin}: {'; '.join(mistakes)}")

    class Guarded(base):  # type: ignore[misc, valid-type]
        def takes(self, source: CotInput) -> bool:
            return _or_abstain(lambda: bool(super(Guarded, self).takes(source))) is True

        def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
            return _or_abstain(lambda: _listed(super(Guarded, self).options(source, draw)))

        def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
            return _or_abstain(lambda: super(Guarded, self).measure(params, source))

        def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
            return _or_abstain(lambda: super(Guarded, self).decide(params, facts, strict))

        def write(self, *arguments: Any) -> Exchange:
            """Raises InputError: the answer is there, but no question."""
            try:
                exchange: Exchange = super().write(*arguments)
                return exchange
            except Exception as error:
                raise failure_of(error) from error

    try:
        return Guarded()
    except Exception as error:
        raise UsageError(f"{origin}: {said(error)}") from error


def _or_abstain(work: Callable[[], T]) -> T | Abstain:
    try:
        return work()
    except InputError:
        raise
    except Exception as error:
        return Abstain(failure_of(error).failure)


def _listed(options: Iterable[Params] | Abstain) -> list[Params] | Abstain:
    """The options now, so that a generator raises where it is guarded."""
    if isinstance(options, Abstain):
        return options
    return [params for _, params in zip(range(_MOST_OPTIONS), options, strict=False)]


def _missing(base: type[Task]) -> list[str]:
    lacking = [name for name in ("mode", "styles", "answer_type", "capability") if not hasattr(base, name)]
    abstract = sorted(getattr(base, "__abstractmethods__", ()))
    return [f"it has no `{name}`" for name in (*lacking, *abstract)]


def _wrong(base: type[Task]) -> list[str]:
    choices: Mapping[str, tuple[str, Sequence[str]]] = {
        "mode": (str(getattr(base, "mode", "")), MODES),
        "answer_type": (str(getattr(base, "answer_type", "")), get_args(AnswerType)),
        "capability": (str(getattr(base, "capability", "")), CAPABILITIES),
        **{f"style {style}": (style, get_args(Style)) for style in getattr(base, "styles", ())},
    }
    return [
        f"`{name}` is one of {', '.join(known)}"
        for name, (value, known) in choices.items()
        if value and value not in known
    ]
