"""Task families of plugins: in the registry of a process for as long as it works for a recipe that has them.

What such a task raises while it looks for a question is an abstention, what it raises while it composes one costs that question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any, TypeVar, get_args

from dataengine.config.recipe import Recipe
from dataengine.cot.core.record import MODES, AnswerType, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.registry import DEFAULT_SHARES, TASKS
from dataengine.cot.tasks.tree import CAPABILITIES
from dataengine.errors import InputError, UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.plugins import installed
from dataengine.plugins.failure import ERROR, failure_of, in_words
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
    """An object of the plugin's class whose methods cost a question at most."""
    base = origin.class_
    if not issubclass(base, Task):
        raise UsageError(f"{origin}: {base.__name__} is no subclass of dataengine.Task")
    if mistakes := [*_missing(base), *_wrong(base)]:
        raise UsageError(f"{origin}: {'; '.join(mistakes)}")

    class Guarded(base):  # type: ignore[misc, valid-type]
        def takes(self, source: CotInput) -> bool:
            return _or_abstain(lambda: bool(super(Guarded, self).takes(source))) is True

        def variants(self, source: CotInput) -> Sequence[str]:
            names = _or_abstain(lambda: [str(name) for name in super(Guarded, self).variants(source)])
            return () if isinstance(names, Abstain) else names

        def programs(self, style: Style) -> bool:
            return _or_abstain(lambda: bool(super(Guarded, self).programs(style))) is True

        def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
            return _or_abstain(lambda: _listed(super(Guarded, self).options(source, draw)))

        def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
            return _or_abstain(lambda: _facts(super(Guarded, self).measure(params, source)))

        def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
            return _or_abstain(lambda: super(Guarded, self).decide(params, facts, strict))

        def type_of(self, params: Params) -> AnswerType:
            return _or_none(lambda: _answer_type(super(Guarded, self).type_of(params)))

        def parents(self, source_id: str, params: Params) -> tuple[str, ...]:
            return _or_none(lambda: tuple(str(id_) for id_ in super(Guarded, self).parents(source_id, params)))

        def observe(self, params: Params, source: CotInput) -> list[Pixels]:
            return _or_none(lambda: _pictures(super(Guarded, self).observe(params, source)))

        def write(self, *arguments: Any) -> Exchange:
            return _or_none(lambda: _exchange(super(Guarded, self).write(*arguments)))

    try:
        return Guarded()
    except Exception as error:
        raise UsageError(f"{origin}: {in_words(error)}") from error


def _or_abstain(work: Callable[[], T]) -> T | Abstain:
    try:
        return work()
    except Exception as error:
        return Abstain(failure_of(error).failure)


def _or_none(work: Callable[[], T]) -> T:
    """Raises InputError ``plugin_error``: the answer is there, but no question."""
    try:
        return work()
    except Exception as error:
        raise InputError(ERROR, failure_of(error).message) from error


def _listed(options: Iterable[Params] | Abstain) -> list[Params] | Abstain:
    """The options now, so that a generator raises where it is guarded."""
    if isinstance(options, Abstain):
        return options
    some = [params for _, params in zip(range(_MOST_OPTIONS), options, strict=False)]
    if not all(isinstance(one, dict) and all(isinstance(text, str) for text in chain(*one.items())) for one in some):
        raise TypeError("options are dicts of texts")
    return some


def _facts(facts: Facts | Abstain) -> Facts | Abstain:
    if isinstance(facts, Abstain):
        return facts
    if not isinstance(facts, dict) or not all(isinstance(value, Real) for value in facts.values()):
        raise TypeError("facts are a dict of numbers")
    return facts


def _answer_type(name: AnswerType) -> AnswerType:
    if name not in get_args(AnswerType):
        raise ValueError(f"the type of an answer is one of {', '.join(get_args(AnswerType))}")
    return name


def _pictures(pictures: list[Pixels]) -> list[Pixels]:
    if not all(getattr(one, "dtype", "") == "uint8" and one.ndim == 3 and one.shape[2] == 3 for one in pictures):
        raise TypeError("observe gives arrays (H, W, 3) uint8")
    return pictures


def _exchange(exchange: Exchange) -> Exchange:
    if not isinstance(exchange, Exchange):
        raise TypeError(f"write gave a {type(exchange).__name__}, not an Exchange")
    return exchange


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
