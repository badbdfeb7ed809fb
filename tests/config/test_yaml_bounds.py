"""Files that users write are bounded before they are built: what is beyond is a usage error with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from dataengine.config import yaml_loader
from dataengine.config.recipe import load
from dataengine.config.yaml_bounds import SIZE
from dataengine.errors import UsageError
from dataengine.policy.load import load as load_policy

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


class Anything(BaseModel, extra="allow"):
    pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"f.yaml:2: aliases \(`\*a0`\) are not read: write the value out"),
        ("a: &x {b: *x}", r"f.yaml:1: aliases"),
        ("<<: *x", "f.yaml:1: aliases"),
        ("[" * 200_000, "f.yaml:1: nested deeper than 50 levels"),
        ("{a: " * 60, "nested deeper than 50 levels"),
        ("".join(f"{' ' * n}a:\n" for n in range(500)), "f.yaml:51: nested deeper than 50 levels"),
        ("- a\n" * 60_000, "more than 50,000 values"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: " + "1:" * 400_000 + "1", "a number of 800,001 characters"),
        ('a: !!int "' + "1:" * 400_000 + '1"', "a number of 800,001 characters"),
        ("a: " + "9" * 5000, "a number of 5,000 characters"),
        ("[a, b]: 1", "a list or mapping as a key"),
        ("? {a: b}\n: 1", "a list or mapping as a key"),
        ("a: 2026-02-31", "not of the type that it looks like"),
        ("a: !!int word", "not of the type that it looks like"),
        ("a: !!int", "not of the type that it looks like"),
        ("a: !!float", "not of the type that it looks like"),
        ("a: !!bool x", "not of the type that it looks like"),
        ("a: !!timestamp x", "not of the type that it looks like"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML: could not determine a constructor"),
        ("a: !!binary x", "not valid YAML"),
        ("a: \x1b[2J", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ('a: "\\ud83d"', "half a character"),
        ('a: 1\n"a": 2', "f.yaml:2: duplicate key `a`"),
        ("x" * (SIZE + 1), "is larger than 1,048,576 bytes"),
    ],
)
def test_a_file_beyond_the_bounds_is_a_usage_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    for loader in (lambda: yaml_loader.load(path, Anything), lambda: load(path), lambda: load_policy(path, {})):
        with pytest.raises(UsageError, match=message) as error:
            loader()
        assert str(error.value).isprintable()


def test_ordinary_texts_are_read_whatever_they_look_like(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    text = "1" * 150
    path.write_text(f'\ufeffa: "{text}"\nb: {"word " * 100}\nc: 0x1F\nd: 1_000\n')
    loaded = yaml_loader.load(path, Anything)
    assert loaded.model_extra == {"a": text, "b": ("word " * 100).strip(), "c": 31, "d": 1000}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a device or a pipe"):
        load(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a device or a pipe"):
        load(Path("/dev/zero"))


def test_a_value_that_is_quoted_in_a_message_is_short_and_printable(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text('name: "\\u202e\\e[2J' + "x" * 10_000 + '"\n')
    with pytest.raises(UsageError) as error:
        load(path)
    assert "\\u202e" in str(error.value) and len(str(error.value)) < 2000 and "\x1b" not in str(error.value)


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999"])
def test_a_number_that_is_none_is_refused_anywhere(tmp_path: Path, value: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(f"dedup: {{semantic: {{threshold: {value}}}}}\nlimits: {{seconds: {value}}}\n")
    with pytest.raises(UsageError) as error:
        load(path)
    assert "`dedup.semantic.threshold`" in str(error.value) and "`limits.seconds`" in str(error.value)
