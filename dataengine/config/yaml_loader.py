"""YAML files validated against a pydantic model; every mistake is reported with file, line and a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dataengine.config import packaged, yaml_bounds
from dataengine.config.plain_errors import joined, plain
from dataengine.errors import RunError, UsageError
from dataengine.storage.store import Store
from dataengine.text.display import visible

M = TypeVar("M", bound=BaseModel)


def load(path: str | Path, model: type[M]) -> M:
    """Load ``path`` as ``model``. Raises UsageError that lists every mistake, one a line: ``file:line: what is wrong, and what
    would be right``."""
    return validated(read_text(path), str(path), model)


def validated(text: str, path: str, model: type[M]) -> M:
    """``load`` of a text that was read from ``path``."""
    root = parse(text, path)
    return _checked(value_of(root, path), model, root, lambda loc: f"{path}:{line_of(root, loc)}: ")


def of_fields(fields: Mapping[str, Any], name: str, model: type[M]) -> M:
    """``model`` of a mapping made in Python, in which paths may be ``pathlib`` objects. Raises UsageError as ``load``, each
    mistake after ``name: ``."""
    value = _plain(fields)
    return _checked(value, model, value, lambda loc: f"{name}: ")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, PurePath) else value


def _checked(value: Any, model: type[M], root: Any, place: Callable[[Sequence[str | int]], str]) -> M:
    """``value`` as ``model``; ``root``: a parsed text, or the value itself, to name fields as they are written there."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        mistakes: dict[str, list[str]] = {}
        for one in error.errors():
            before, what = _explain(one, model, root)
            mistakes.setdefault(f"{place(_loc(one))}{before}", []).append(what)
        raise UsageError("\n".join(before + joined(what) for before, what in mistakes.items())) from None


@dataclass(frozen=True)
class FileLines:
    """The lines of a file's fields. All are equal: where something was written down does not make it another thing."""

    path: str = ""
    text: str = field(default="", repr=False)

    def of(self, loc: Sequence[str | int]) -> str:
        """``path:line: `` of a field, "" without a file."""
        return f"{self.path}:{line_of(parse(self.text, self.path), loc)}: " if self.path else ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileLines)

    def __hash__(self) -> int:
        return 0


def read_text(path: str | Path) -> str:
    """Text of a file, an s3:// object, or a packaged policy or recipe. Raises UsageError if it does not exist, is too large or is
    not UTF-8."""
    named, path = str(path), packaged.file_of(str(path)) or path
    try:
        if "://" in str(path):
            folder, _, name = str(path).rpartition("/")
            entry = Store(folder).head(name)
            data = Store(folder).get(name) if entry is None or entry.size <= yaml_bounds.SIZE else None
        else:
            data = _bounded(Path(path))
        if data is None:
            raise UsageError(f"{path} is larger than {yaml_bounds.SIZE:,} bytes: name a YAML file")
        return data.decode("utf-8-sig")
    except RunError as error:
        raise UsageError(str(error)) from None
    except FileNotFoundError:
        raise UsageError(f"{named}: no such file (relative paths start at {Path.cwd()}){_or_packaged(named)}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder: name a YAML file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file in UTF-8: name a YAML file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _or_packaged(name: str) -> str:
    """What a name that is no file may have meant; "" for one with a slash or an ending."""
    if "/" in name or "." in name:
        return ""
    return f"; of what is packaged, {did_you_mean(name, {**packaged.policies(), **packaged.recipes()})}"


def _bounded(path: Path) -> bytes | None:
    """The bytes of a regular file; None where it has too many. Raises UsageError for a device or a pipe."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"{path} is a device or a pipe: name a YAML file")
    with path.open("rb") as file:
        data = file.read(yaml_bounds.SIZE + 1)
    return data if len(data) <= yaml_bounds.SIZE else None


def parse(text: str, name: str) -> yaml.Node | None:
    """Node tree of a YAML text. Raises UsageError on invalid YAML, duplicate keys, and what is beyond the bounds of a file."""
    try:
        yaml_bounds.check(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UsageError(f"{name}:{line}: not valid YAML: {visible(str(getattr(error, 'problem', error)))}") from None
    _refuse_duplicates(root, name)
    return root


def value_of(root: yaml.Node | None, name: str) -> Any:
    """The value of a parsed text; an empty mapping for an empty one. Raises UsageError for a value that its tag does not fit."""
    try:
        return (yaml.SafeLoader("").construct_document(root) if root else None) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UsageError(f"{name}:{line}: not valid YAML: {visible(str(getattr(error, 'problem', error)))}") from None
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:  # 2026-02-31, !!int on a word
        raise UsageError(f"{name}: a value is not of the type that it looks like ({error}): put it in quotes") from None


def _refuse_duplicates(node: yaml.Node | None, name: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_duplicates(child, name)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"{name}:{line}: a list or mapping as a key; keys are words")
            if key.value in seen:
                raise UsageError(
                    f"{name}:{line}: duplicate key `{visible(key.value)}`, first set in line {seen[key.value]}"
                )
            seen[key.value] = line
            _refuse_duplicates(value, name)


def line_of(root: yaml.Node | None, loc: Sequence[str | int]) -> int:
    """Line (from 1) of the deepest node on the path ``loc`` that exists in the file; union tags are skipped."""
    node, line = root, 1
    for step in loc:
        child = _child(node, step)
        if child is not None:
            node, line = child
    return line


def _child(node: Any, step: str | int) -> tuple[Any, int] | None:
    """What is at a step into a node, and its line; into a value made in Python, which has no lines, 0."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line + 1
    inside = isinstance(node, dict) and step in node
    inside = inside or (isinstance(node, list) and isinstance(step, int) and step < len(node))
    return (node[step], 0) if inside else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean `x`?`` or, if no name is close, the list of known names."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"


def unnamed(what: str, name: object, known: Iterable[str]) -> str:
    """What is wrong with the ``name`` of a scorer, a tokenizer and the like that is not known, or absent."""
    if name is None:
        return f"a {what} needs a `name`; known: {', '.join(sorted(known))}"
    return f"there is no {what} {visible(str(name))!r}; {did_you_mean(str(name), known)}"


def _loc(error: ErrorDetails) -> tuple[str | int, ...]:
    """The place of a mistake: of a block of no known kind, that of the field which names the kind."""
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return (*error["loc"], error["ctx"]["discriminator"].strip("'"))
    return error["loc"]


def _explain(error: ErrorDetails, model: type[BaseModel], root: Any) -> tuple[str, str]:
    """What is wrong, in two parts: the second is an alternative where several mistakes have the same first one."""
    where = _field_path(error, root)
    if error["type"] == "extra_forbidden":
        known = _suggestion(str(error["loc"][-1]), _models_at(model, error["loc"][:-1]))
        return f"unknown field `{where}`; ", known
    if error["type"] == "missing":
        return f"`{where}` is missing", ""
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_kind(error, where, _models_at(model, error["loc"]))
    if error["loc"] and error["loc"][-1] == "[key]":
        where = f"{where}` as a name: `{error['loc'][-2]}"
    value = error.get("input")
    got = f" (got: {_short(value)})" if isinstance(value, str | int | float | bool) or value is None else ""
    return f"`{where}`: " if where else "", f"{plain(error)}{got}"


def _unknown_kind(error: ErrorDetails, where: str, models: Sequence[type[BaseModel]]) -> tuple[str, str]:
    field = _loc(error)[-1]
    tags = sorted({str(tag) for model in models for tag in _tags(model)})
    if error["type"] == "union_tag_not_found":
        return f"`{where}.{field}` is missing: ", f"use {' or '.join(tags)}"
    tag = str(error["ctx"]["tag"])
    return f"`{where}.{field}`: ", f"there is no {field} `{visible(tag)}`; {did_you_mean(tag, tags)}"


def _short(value: object) -> str:
    text = visible(repr(value))
    return text if len(text) <= 200 else f"{text[:200]}…"


def _field_path(error: ErrorDetails, root: Any) -> str:
    """The field as one would write it, ``sources[0].path``: pydantic's steps without union tags, which are not in the file."""
    node, path = root, ""
    *outer, last = error["loc"] or ("",)
    for step in outer:
        if (child := _child(node, step)) is not None:
            node = child[0]
            path += f"[{step}]" if isinstance(step, int) else f".{step}"
    if error["type"] in ("extra_forbidden", "missing") or _child(node, last) is not None:
        path += f"[{last}]" if isinstance(last, int) else f".{last}"
    return path.removeprefix(".")


def _suggestion(field: str, models: Sequence[type[BaseModel]]) -> str:
    """The new name of a renamed field, else the nearest name of a field."""
    for model in models:
        if new := getattr(model, "renamed", {}).get(field):
            return f"did you mean `{new}`? The field was renamed"
    return did_you_mean(field, {name for m in models for name in m.model_fields})


def _models_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at ``loc`` of an error: several where a union is not resolved."""
    models: list[type[BaseModel]] = [model]
    for step in loc:
        annotations = [
            m.model_fields[step].annotation for m in models if isinstance(step, str) and step in m.model_fields
        ]
        if annotations:
            models = [m for a in annotations for m in _models_in(a)]
        elif isinstance(step, str):  # the tag of a discriminated union
            models = [m for m in models if step in _tags(m)] or models
    return models


def _tags(model: type[BaseModel]) -> list[Any]:
    field = model.model_fields.get("type")
    return list(getattr(field.annotation, "__args__", ())) if field else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in getattr(annotation, "__args__", ()) for m in _models_in(a)]
