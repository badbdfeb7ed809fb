"""Sources of plugins: what such code raises costs the input it was at, and those of the part that it had not come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataengine import contracts
from dataengine.config.sources import PluginSource
from dataengine.config.yaml_loader import unnamed
from dataengine.errors import DataEngineError, InputError, RunError, UsageError
from dataengine.ingest.listing import part_name
from dataengine.ingest.occurrence import Occurrence, SourceReader
from dataengine.plugins.failure import ERROR, failure_of, in_words
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import Plugin, names
from dataengine.plugins.origin import Origin, origin_of
from dataengine.stage import Part, Run
from dataengine.storage.workspace import digest
from dataengine.text.cleaning import clean_text


def plugin_reader(source: PluginSource, plugins: Sequence[Plugin]) -> PluginReader:
    """The reader of a source. Raises UsageError where no plugin has it."""
    options = {**source.options, **({"path": source.path} if source.path else {})}
    origin = origin_of(Kind.SOURCE, source.reader, options, plugins)
    if origin is None:
        known = names(Kind.SOURCE, plugins)
        what = unnamed("reader", source.reader, known) if known else f"no plugin offers a source `{source.reader}`"
        raise UsageError(f"{what}: name its file in `plugins`")
    return PluginReader(source.name, source.license, origin)


def check_uris(run: Run) -> None:
    """Raises RunError where two parts of a plugin's source have given an input of one uri, which could not be told apart."""
    names = [source.name for source in run.recipe.sources if isinstance(source, PluginSource)]
    if not names:
        return
    columns = ["source", "uri"]
    samples = run.frame("ingest", "samples", contracts.SAMPLES, columns)
    frames = {"s": samples, "f": run.frame("ingest", "failures", contracts.FAILURES, columns)}
    listed = ", ".join(f"'{name}'" for name in names)
    rows = run.engine.collect(run.engine.sql(_SHARED.format(names=listed), frames)).to_pylist()
    if rows:
        raise RunError(
            "\n".join(
                f"source `{row['source']}` of a plugin gives {row['uri']} {row['inputs']} times, in several parts: an input "
                "needs a uri of its own in the whole source"
                for row in rows
            )
        )


_SHARED = """
SELECT "source", "uri", CAST(count(*) AS BIGINT) AS "inputs"
FROM (SELECT "source", "uri" FROM s UNION ALL SELECT "source", "uri" FROM f) AS i
WHERE "source" IN ({names}) GROUP BY "source", "uri" HAVING count(*) > 1 ORDER BY "source", "uri" LIMIT 3
"""


@dataclass(frozen=True)
class PluginReader:
    """A SourceReader. A part's spec is its name and the plugin's own spec."""

    source: str
    license: str | None
    origin: Origin

    def parts(self) -> list[Part]:
        """Raises UsageError for whatever the plugin raises, and for parts that are none."""
        try:
            return [self._part(part) for part in self._reader().parts()]
        except (DataEngineError, MemoryError):
            raise
        except Exception as error:
            raise UsageError(f"{self.origin}: parts: {in_words(error)}") from error

    def occurrences(self, spec: tuple[str, Any]) -> Iterator[Occurrence]:
        """In the plugin's order, which must be the same each time. A uri that comes again is a failed input of its own."""
        name, own = spec
        seen: dict[str, int] = {}
        try:
            for one in self._reader().occurrences(own):
                checked = self._checked(one)
                count = seen[checked.uri] = seen.get(checked.uri, 0) + 1
                yield checked if count == 1 else _again(checked, count)
        except Exception as error:
            failure = failure_of(error)
            yield Occurrence(uri=f"{name}#after {sum(seen.values())} inputs", error=failure)

    def _reader(self) -> SourceReader:
        reader: SourceReader = self.origin.make()
        return reader

    def _part(self, part: Any) -> Part:
        if not isinstance(part, Part):
            raise TypeError(f"parts gave a {type(part).__name__}; it gives a list of dataengine.Part")
        key = digest(self.origin.identity, self.license, part.name, part.key)
        return Part(part_name(self.source, part.name), key, (part.name, part.spec))

    def _checked(self, one: Any) -> Occurrence:
        if not isinstance(one, Occurrence):
            raise TypeError(f"occurrences gave a {type(one).__name__}; it gives dataengine.Occurrence")
        uri = clean_text(one.uri) if isinstance(one.uri, str) else ""  # as it is stored
        if not uri:
            raise TypeError("an occurrence has no uri: each needs one of its own")
        if mistake := _mistake_in(one):
            return Occurrence(uri, error=InputError(ERROR, mistake))
        error = None if one.error is None else failure_of(one.error)
        return replace(one, uri=uri, error=error, license=self.license if one.license is None else one.license)


_TYPES: dict[str, tuple[type, ...]] = {
    "location": (str,),
    "license": (str, type(None)),
    "meta": (str, type(None)),
    "data": (bytes, type(None)),
    "error": (InputError, type(None)),
}


def _mistake_in(one: Occurrence) -> str:
    """What of an occurrence has another type than it should, "" where nothing has."""
    if not isinstance(one.captions, tuple | list) or not all(isinstance(text, str) for text in one.captions):
        return "`captions` is no tuple of texts"
    wrong = [(name, getattr(one, name)) for name, types in _TYPES.items() if not isinstance(getattr(one, name), types)]
    return "; ".join(f"`{name}` is a {type(value).__name__}, not {_TYPES[name][0].__name__}" for name, value in wrong)


def _again(occurrence: Occurrence, count: int) -> Occurrence:
    message = f"the source gives {occurrence.uri} {count} times; an input needs a uri of its own"
    return Occurrence(uri=f"{occurrence.uri}#again {count}", error=InputError(ERROR, message))
