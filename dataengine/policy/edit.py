"""Writes a changed policy as a new file: the text of the old one, with another version, the changed rules, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from dataengine.config import yaml_loader
from dataengine.errors import UsageError
from dataengine.policy import nodes
from dataengine.policy.load import load
from dataengine.policy.model import Policy, Rule
from dataengine.policy.trial import Change

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ .,;()<>=!%/+-]*[A-Za-z0-9_.)%]")


def next_version(version: str) -> str:
    """``1`` → ``2``, ``2026.3`` → ``2026.4``; without a number at its end ``.1`` is added."""
    match = re.fullmatch(r"(.*?)(\d+)", version, re.S)
    return f"{match[1]}{int(match[2]) + 1}" if match else f"{version}.1"


def target_of(policy: str, name: str) -> Path:
    """Where a new version is written: ``name`` beside the old file, or the path that it is. Raises UsageError for a bucket, and
    where something is there already."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
    elif "://" in policy:
        raise UsageError(f"{policy} lies in a bucket: give the new policy a path of its own, `--write {name}.yaml`")
    else:
        path = Path(policy).parent / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path} exists, and a policy that was used is not changed: choose another name")
    return path


def write(path: Path, old: str, after: Policy, changes: Sequence[Change], known: Mapping[str, pa.DataType]) -> Policy:
    """Write ``after`` to ``path`` from the file ``old`` that it was made of, comments kept where they can be. The policy as it is
    read again. Raises UsageError where it cannot be written."""
    text = yaml_loader.read_text(old)
    version = next_version(after.version)
    edited = _edited(text, old, after.version, version, changes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(edited)
        written = _read(path, known)
        if written is None or written.rules != after.rules:
            path.write_text(_anew(text, old, after, version), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; name another place") from None
    return load(path, known)


def _read(path: Path, known: Mapping[str, pa.DataType]) -> Policy | None:
    try:
        return load(path, known)
    except UsageError:
        return None


def _edited(text: str, name: str, before: str, version: str, changes: Sequence[Change]) -> str:
    root = yaml_loader.parse(text, name)
    rules = _value(root, "rules")
    edits = [_scalar_edit(text, _value(root, "version"), yaml_string(version))]
    added: dict[str, Rule] = {}
    for change in changes:
        node = _rule_node(rules, change.rule)
        if change.after is not None and (change.before is None or change.rule in added):
            added[change.rule] = change.after
        elif change.after is None:
            edits.append((*_lines(text, rules, node), ""))
        else:
            assert change.before is not None
            edits.append(_scalar_edit(text, _value(node, "keep"), yaml_string(nodes.text(change.after.keep))))
            edits.append(_scalar_edit(text, _value(node, "reason"), yaml_string(change.after.reason)))
            start = _line_start(text, node.start_mark.index)
            indent = " " * (len(text[start:]) - len(text[start:].lstrip(" ")))
            reason = " ".join(change.before.reason.split())
            note = f"# Version {version}; in version {before}: {nodes.text(change.before.keep)} ({reason})"
            edits.append((start, start, f"{indent}{note}\n"))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text.rstrip("\n") + "\n" + "".join(f"\n{_rule_text(rule)}" for rule in added.values())


def _value(node: Any, key: str) -> Any:
    return next(value for name, value in node.value if name.value == key)


def _rule_node(rules: Any, name: str) -> Any:
    return next((node for node in rules.value if _value(node, "name").value == name), None)


def _scalar_edit(text: str, node: Any, new: str) -> tuple[int, int, str]:
    start, end = node.start_mark.index, node.end_mark.index
    return start, end, new + ("\n" if text[start:end].endswith("\n") else "")


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _lines(text: str, rules: Any, node: Any) -> tuple[int, int]:
    """The lines of one rule, up to the next one."""
    place = rules.value.index(node)
    following = rules.value[place + 1 :]
    end = _line_start(text, following[0].start_mark.index) if following else len(text)
    return _line_start(text, node.start_mark.index), end


def _rule_text(rule: Rule) -> str:
    lines = [f"  - name: {yaml_string(rule.name)}"]
    lines += [f"    when: {yaml_string(nodes.text(rule.when))}"] if rule.when is not None else []
    lines += [f"    keep: {yaml_string(nodes.text(rule.keep))}", f"    on_missing: {rule.on_missing}"]
    return "\n".join([*lines, f"    reason: {yaml_string(rule.reason)}"]) + "\n"


def yaml_string(text: str) -> str:
    """``text`` as a YAML scalar on one line that is read as a string."""
    plain = _PLAIN.fullmatch(text) and ": " not in text and " #" not in text
    if plain and yaml.safe_load(text) == text:
        return text
    return str(yaml.safe_dump(text, default_style='"', width=10**9, allow_unicode=True)).strip()


def _anew(text: str, name: str, after: Policy, version: str) -> str:
    """The policy without the comments of the old file."""
    fields = yaml_loader.value_of(yaml_loader.parse(text, name), name)
    head = [f"name: {yaml_string(fields['name'])}", f"version: {yaml_string(version)}"]
    head += [f"description: {yaml_string(after.description)}"] if after.description else []
    if not after.rules:
        return "\n".join([*head, "rules: []\n"])
    return "\n".join([*head, "rules:\n"]) + "\n".join(map(_rule_text, after.rules))
