"""Holds all that a plugin file offers to the contracts of its kinds."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataengine.testing.scorer_contract import check_scorer

if TYPE_CHECKING:
    from dataengine.plugins.origin import Origin

Options = Mapping[str, Mapping[str, Any]]


def check_plugin(path: str | Path, options: Options | None = None) -> list[str]:
    """Load a plugin file as a run does and try what it lists; ``options`` by name, as a recipe gives them. What it offers, as
    ``scorer warmth``. Raises AssertionError, UsageError.

    Scorers are held to ``check_scorer`` and tried on a made picture; sources list and read their parts twice, with the same
    result; task families and tokenizers have what they need; teachers and exporters can be made."""
    from dataengine.catalog import own_names
    from dataengine.plugins.file import PluginFile
    from dataengine.plugins.kinds import Kind
    from dataengine.plugins.offers import check
    from dataengine.plugins.origin import Origin

    plugin = PluginFile.read(str(path))
    check([plugin], own_names())
    offered = []
    for kind in Kind:
        for name in plugin.offers(kind):
            _CHECKS[kind.value](Origin(kind, plugin, name, dict((options or {}).get(name, {}))))
            offered.append(f"{kind} {name}")
    return offered


def _scorer(origin: Origin) -> None:
    from dataengine.score.base import EmbeddingScorer
    from dataengine.score.plugin import PluginPixelScorer, PluginScorer
    from dataengine.score.plugin_checks import adapted
    from dataengine.score.plugin_trial import fault_of

    scorer = adapted(origin)
    assert isinstance(scorer, PluginScorer)
    scorer.validate()
    if isinstance(scorer, EmbeddingScorer):
        return  # its vectors are those of the recipe's encoder
    assert pickle.loads(pickle.dumps(scorer)).version == scorer.version, f"{origin}: the version is another each time"
    fault = fault_of(scorer)
    assert fault is None, f"{origin}: {fault}"
    if isinstance(scorer, PluginPixelScorer):
        check_scorer(scorer.scorer)


def _source(origin: Origin) -> None:
    reader = origin.make()
    parts = list(reader.parts())
    assert parts == list(reader.parts()), f"{origin}: parts are others the second time"
    assert len({part.name for part in parts}) == len(parts), f"{origin}: two parts have one name"
    seen = set[str]()
    for part in parts:
        inputs = list(reader.occurrences(part.spec))
        assert inputs == list(reader.occurrences(part.spec)), (
            f"{origin}: part {part.name} has other inputs the second time"
        )
        for one in inputs:
            assert one.uri not in seen, f"{origin}: two inputs have the uri {one.uri}"
            seen.add(one.uri)


def _task(origin: Origin) -> None:
    from dataengine.cot.tasks.plugin_tasks import use

    use((origin.plugin,))
    use(())


def _tokenizer(origin: Origin) -> None:
    from dataengine.tokenize.plugin import class_of

    class_ = class_of(origin)
    config = class_.Config.model_validate({"name": origin.name, **origin.options})
    preparer = class_.preparer(config)
    assert 1 <= preparer.min_tokens <= preparer.max_tokens, f"{origin}: min_tokens and max_tokens are no bounds"


def _teacher(origin: Origin) -> None:
    from dataengine.models.serving.cache import CompletionCache
    from dataengine.models.serving.plugin_teacher import PluginTeacher

    teacher = PluginTeacher(origin, CompletionCache(None))
    teacher.validate()
    assert teacher.id == PluginTeacher(origin, CompletionCache(None)).id, f"{origin}: the id is another each time"


def _exporter(origin: Origin) -> None:
    assert callable(getattr(origin.make(), "export", None)), f"{origin}: it has no `export`"


_CHECKS: dict[str, Callable[[Origin], None]] = {
    "scorer": _scorer,
    "tokenizer": _tokenizer,
    "task": _task,
    "teacher": _teacher,
    "source": _source,
    "exporter": _exporter,
}
