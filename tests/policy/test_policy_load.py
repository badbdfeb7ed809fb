"""Policy files: those that ship are sound, and every mistake is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dataengine.annotate.text.track import columns as text_columns
from dataengine.config.annotate_text import TextConfig
from dataengine.contracts import UNIQUE
from dataengine.errors import UsageError
from dataengine.policy import nodes
from dataengine.policy.load import load
from dataengine.policy.model import Kind, Policy
from dataengine.score.brisque import Brisque
from dataengine.score.clip_heads import ClipIqa
from dataengine.score.motion import Motion
from dataengine.score.nsfw import Nsfw
from dataengine.score.quality import Quality
from dataengine.score.technical import Technical

FILTERS = Path(__file__).parents[2] / "filters"
SCORES = ("aspect", "blur", "entropy", "brightness", "nsfw", "match")
COLUMNS = {f.name: f.type for f in UNIQUE} | dict.fromkeys(SCORES, pa.float64()) | {"caption_words": pa.int32()}
#: What every scorer gives that needs no checkpoint, and those that read one.
ALL_SCORES = COLUMNS | {
    field.name: field.type for scorer in (Technical, Quality, Nsfw, Brisque, Motion, ClipIqa) for field in scorer.fields
}
ALL_SCORES |= dict.fromkeys(("aesthetic", "watermark"), pa.float64())

GOOD = """\
name: small
version: 1
description: two
  lines
rules:
  - name: side
    keep: width >= 64 and height >= 64  # pixels
    on_missing: error
    reason: too small
  - name: duration
    when: kind = 'video'
    keep: duration between 1 and 300
    on_missing: drop
    reason: too long
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


def loaded(folder: Path, text: str) -> Policy:
    return load(written(folder, text), COLUMNS)


@pytest.mark.parametrize("path", sorted(FILTERS.glob("*.yaml")), ids=lambda p: p.name)
def test_policies_that_ship_are_sound(path: Path) -> None:
    texts = path.stem.startswith("captions-")
    policy = load(path, ALL_SCORES | {f.name: f.type for f in text_columns(TextConfig())} if texts else ALL_SCORES)
    assert path.stem == f"{policy.name}-v{policy.version}"
    own = {
        "kelix-t2i": set[str](),
        "pictures": {"picture", "side", "blur", "match"},
        "videos": {"video", "side", "blur", "still"},
    }
    common = {"aspect", "nsfw"} | own.get(policy.name, {"side", "blur", "match", "duration"})
    assert {rule.name for rule in policy.rules} >= ({"language", "repetition"} if texts else common)
    assert f"`{path.name}`" in (FILTERS / "README.md").read_text()


def test_readme_starts_as_it_should_and_its_example_is_a_policy(tmp_path: Path) -> None:
    readme = (FILTERS / "README.md").read_text()
    assert readme.startswith("# No Python here")
    example = readme.split("```yaml\n")[1].split("```")[0]
    assert [rule.name for rule in loaded(tmp_path, example).rules] == ["side", "duration"]


def test_a_good_policy(tmp_path: Path) -> None:
    policy = loaded(tmp_path, GOOD)
    assert (policy.name, policy.version, policy.description) == ("small", "1", "two lines")
    side, duration = policy.rules
    assert (side.column, side.columns, side.on_missing) == ("width", ("width", "height"), "error")
    assert duration.columns == ("duration", "kind")
    assert duration.when is not None
    assert nodes.text(duration.when) == "kind = 'video'"
    assert policy.kinds == dict.fromkeys(("width", "height", "duration"), Kind.NUMBER) | {"kind": Kind.TEXT}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("width >= 64 and", "width>=64.0   and", True),
        ("# pixels", "", True),
        ("two\n  lines", "other", True),
        ("width >= 64", "width >= 65", False),
        ("on_missing: drop", "on_missing: keep", False),
        ("too small", "far too small", False),
        ("version: 1", "version: 2", False),
        ("    when: kind = 'video'\n", "", False),
    ],
)
def test_the_digest_follows_what_decides(tmp_path: Path, old: str, new: str, same: bool) -> None:
    assert (loaded(tmp_path, GOOD).digest == loaded(tmp_path, GOOD.replace(old, new)).digest) is same


@pytest.mark.parametrize(
    ("old", "new", "line", "hint"),
    [
        ("width >= 64", "widht >= 64", 7, "rule `side`, keep: unknown column `widht`; did you mean `width`?"),
        ("width >= 64", "width >= '64'", 7, "`width` (numbers) cannot be compared with `'64'` (strings)"),
        ("kind = 'video'", "kind = width", 11, "`kind` (strings) cannot be compared with `width` (numbers)"),
        ("kind = 'video'", "kind in ('a', 3)", 11, "cannot be compared with `3` (numbers)"),
        ("kind = 'video'", "kind > 'video'", 11, "only numbers have an order"),
        ("kind = 'video'", "kind between 1 and 2", 11, "`kind` (strings) cannot be compared with `1` (numbers)"),
        ("kind = 'video'", "captions is null", 11, "rules see only columns of numbers, strings and booleans"),
        ("width >= 64", "width == 64", 7, "rule `side`, keep: character 7: cannot read `== 64"),
        ("name: duration", "name: side", 10, "two rules are called `side`"),
        ("on_missing: drop", "on_missing: dorp", 13, "use drop, keep or error (got: 'dorp')"),
        ("    on_missing: drop\n", "", 10, "`rules[1].on_missing` is missing"),
        ("    reason: too long", "    raeson: too long", 14, "did you mean `reason`?"),
        ("reason: too long", "reason: ''", 14, "must not be empty"),
        ("keep: duration", "keep: true #", 12, "must be a text: put it in quotes"),
    ],
)
def test_mistakes_are_named_by_file_and_line(tmp_path: Path, old: str, new: str, line: int, hint: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load(path, COLUMNS)
    found = [text for text in str(caught.value).splitlines() if hint in text]
    assert found, str(caught.value)
    assert found[0].startswith(f"{path}:{line}: ")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("width", "w").replace("'video'", "3"))
    with pytest.raises(UsageError) as caught:
        load(path, COLUMNS)
    assert [text.split(":")[1] for text in str(caught.value).splitlines()] == ["7", "11"]
