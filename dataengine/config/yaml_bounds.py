"""Bounds of the YAML files that users write: no aliases, and bounded in size, nesting, values and digits.

They are checked on the stream of events, before a tree is built: nine levels of aliases are a gigabyte of tree from 400 bytes.
"""

from __future__ import annotations

import re

import yaml

from dataengine.errors import UsageError

_HALF = re.compile("[\ud800-\udfff]")
#: Bytes of a file.
SIZE = 1 << 20
#: Levels of nesting.
DEPTH = 50
#: Values in a file.
VALUES = 50_000
#: Characters of a number or a date.
DIGITS = 100


def check(text: str, name: str) -> None:
    """Raises UsageError naming the line of what is beyond the bounds, yaml.YAMLError for what is not YAML."""
    if len(text) > SIZE:
        raise UsageError(f"{name}: {len(text):,} characters, limit {SIZE:,}")
    depth = values = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if mistake := _mistake(event, depth, values, documents):
            raise UsageError(f"{name}:{event.start_mark.line + 1 if event.start_mark else 1}: {mistake}")


def _mistake(event: yaml.Event, depth: int, values: int, documents: int) -> str:
    if isinstance(event, yaml.AliasEvent):
        return f"aliases (`*{str(event.anchor)[:80]}`) are not read: write the value out"
    if depth > DEPTH:
        return f"nested deeper than {DEPTH} levels"
    if values > VALUES:
        return f"more than {VALUES:,} values"
    if documents > 1:
        return "a second document: a file holds one"
    if isinstance(event, yaml.ScalarEvent) and _HALF.search(event.value):
        return "half a character (a lone surrogate): remove it"
    if isinstance(event, yaml.ScalarEvent) and len(event.value) > DIGITS and _converted(event):
        return f"a number of {len(event.value):,} characters; put it in quotes if it is a text"
    return ""


def _converted(event: yaml.ScalarEvent) -> bool:
    """Whether a value would become something else than a string, by its tag or, without quotes, by its looks."""
    tag = event.tag or yaml.SafeLoader("").resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
    return bool(tag != yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG)
