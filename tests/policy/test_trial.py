"""Changes of a policy that are only tried, the part of a rule that fails, and the file of a new version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from dataengine.errors import UsageError
from dataengine.policy import edit, grammar, nodes
from dataengine.policy.failing import failing
from dataengine.policy.load import load
from dataengine.policy.model import Policy, Rule
from dataengine.policy.trial import tried

KNOWN = {
    **dict.fromkeys(("width", "height", "blur", "nsfw", "duration"), pa.float64()),
    **dict.fromkeys(("kind", "format"), pa.string()),
    "audio": pa.bool_(),
}
TEXT = """\
# For tests.
name: web
version: "1"
rules:
  - name: side
    keep: width >= 256 and height >= 256
    on_missing: drop
    reason: small   # a comment

  # Of films.
  - name: short
    when: kind = 'video'
    keep: duration >= 1
    on_missing: drop
    reason: short
  - name: long
    when: kind = 'video'
    keep: duration <= 300
    on_missing: drop
    reason: >-
      longer than
      five minutes
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "web-v1.yaml"
    path.write_text(TEXT)
    return path


def policy(path: Path) -> Policy:
    return load(path, KNOWN)


def rules(one: Policy) -> dict[str, str]:
    return {rule.name: nodes.text(rule.keep) for rule in one.rules}


def test_a_condition_takes_the_place_of_the_rule_about_its_columns(path: Path) -> None:
    after, [change] = tried(policy(path), ["height >= 300 and width >= 300"], [], KNOWN)
    assert rules(after)["side"] == "height >= 300 and width >= 300"
    assert change.text() == ("rule `side`: height >= 300 and width >= 300 instead of width >= 256 and height >= 256")


def test_else_it_is_added_and_what_stays_is_named(path: Path) -> None:
    after, [change] = tried(policy(path), ["width >= 100"], [], KNOWN)
    assert list(rules(after)) == ["side", "short", "long", "width"]
    assert "`side` (width >= 256 and height >= 256) stays as it is" in change.text()
    assert "--try 'side: CONDITION'" in change.text()
    after, [change] = tried(policy(path), ["blur >= 5"], [], KNOWN, "keep")
    assert change.text() == "rule `blur` is added as the last: blur >= 5 (a missing value passes)"
    assert after.rules[-1].on_missing == "keep" and "blur" in after.kinds
    after, _ = tried(policy(path), ["side-2: width >= 9", "short: duration >= 2"], ["long"], KNOWN)
    assert rules(after) == {"side": rules(policy(path))["side"], "short": "duration >= 2", "side-2": "width >= 9"}
    assert after.rules[1].when == grammar.parse("kind = 'video'"), "the rest of a rule stays"


@pytest.mark.parametrize(
    ("condition", "without", "message"),
    [
        ("duration >= 2", [], r"several rules are about that: `short` .*`long` .*`--try 'short: duration >= 2'`"),
        ("wide >= 2", [], "--try wide >= 2: unknown column `wide`; did you mean `width`"),
        ("blur => 2", [], "--try blur => 2: character"),
        ("kind > 2", [], "--try kind > 2: .*cannot be compared"),
        ("blur >= 2", ["sides"], "no rule `sides`; did you mean `side`"),
    ],
)
def test_mistakes_of_a_trial(path: Path, condition: str, without: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tried(policy(path), [condition], without, KNOWN)


@pytest.mark.parametrize(
    ("conditions", "without"),
    [
        (["side: width >= 512"], []),
        (["long: duration <= 60"], []),
        (["blur >= 5", "nsfw <= 0.25"], ["short"]),
        (["format in ('jpeg', 'it''s')"], ["long"]),
        ([], ["side"]),
    ],
)
@pytest.mark.parametrize("reason", ["too small", "odd: a #1 'reason' \"quoted\"", "нет – 猫"])
def test_a_new_version_is_the_policy_that_was_tried(path: Path, conditions: Any, without: Any, reason: str) -> None:
    before = policy(path)
    after, changes = tried(before, conditions, without, KNOWN, reason=reason)
    target = edit.target_of(str(path), "web-v2")
    written = edit.write(target, str(path), after, changes, KNOWN)
    assert target == path.parent / "web-v2.yaml" and path.read_text() == TEXT
    assert (written.name, written.version, written.rules) == ("web", "2", after.rules)
    assert "# For tests." in target.read_text()
    for change in changes:
        if change.before is not None and change.after is not None:
            assert f"# Version 2; in version 1: {nodes.text(change.before.keep)}" in target.read_text()
    with pytest.raises(UsageError, match="exists, and a policy that was used is not changed"):
        edit.target_of(str(path), "web-v2")


@pytest.mark.parametrize("conditions", [["nsfw <= 0.5", "nsfw <= 0.25"], ["safe: nsfw <= 0.5", "safe: nsfw <= 0.25"]])
def test_a_rule_that_is_added_and_changed_is_written_once(path: Path, conditions: list[str]) -> None:
    after, changes = tried(policy(path), conditions, [], KNOWN, reason="safe")
    written = edit.write(path.parent / "new.yaml", str(path), after, changes, KNOWN)
    assert written.rules == after.rules and nodes.text(written.rules[-1].keep) == "nsfw <= 0.25"
    assert "# For tests." in (path.parent / "new.yaml").read_text()


def test_a_reason_of_several_lines_keeps_the_comments(path: Path) -> None:
    path.write_text(TEXT.replace("reason: small ", 'reason: "small\\nand dull" '))
    after, changes = tried(policy(path), ["side: width >= 512"], [], KNOWN, reason="larger")
    assert edit.write(path.parent / "new.yaml", str(path), after, changes, KNOWN).rules == after.rules
    assert "# For tests." in (path.parent / "new.yaml").read_text()


def test_a_policy_in_flow_style_is_written_anew(tmp_path: Path) -> None:
    path, rule = tmp_path / "flow.yaml", {"name": "side", "keep": "width >= 8", "on_missing": "drop", "reason": "small"}
    path.write_text(yaml.safe_dump({"name": "flow", "version": 7, "rules": [rule]}, default_flow_style=True))
    after, changes = tried(policy(path), ["blur >= 5"], [], KNOWN, reason="blurred")
    written = edit.write(tmp_path / "new.yaml", str(path), after, changes, KNOWN)
    assert (written.version, written.rules) == ("8", after.rules)


@pytest.mark.parametrize(("old", "new"), [("1", "2"), ("2026.9", "2026.10"), ("beta", "beta.1"), ("v3", "v4")])
def test_versions(old: str, new: str) -> None:
    assert edit.next_version(old) == new


@pytest.mark.parametrize(
    ("keep", "row", "part"),
    [
        ("width >= 256 and height >= 256", {"width": 320, "height": 240}, "height 240 < 256"),
        ("width >= 256 and height >= 256", {"width": 1, "height": 2}, "width 1 < 256 and height 2 < 256"),
        ("width < height", {"width": 3, "height": 2}, "width 3 >= height 2"),
        ("nsfw between 0.1 and 0.8", {"nsfw": 0.91}, "nsfw 0.91 not between 0.1 and 0.8"),
        ("nsfw not between 0.1 and 0.8", {"nsfw": 0.5}, "nsfw 0.5 between 0.1 and 0.8"),
        ("format in ('jpeg', 'png')", {"format": "gif"}, "format 'gif' not in ('jpeg', 'png')"),
        ("format not in ('gif')", {"format": "gif"}, "format 'gif' in ('gif')"),
        ("format != 'gif'", {"format": "gif"}, "format 'gif' = 'gif'"),
        ("audio = true", {"audio": False}, "audio False != true"),
        ("blur >= 5", {"blur": None}, "blur is missing"),
        ("blur >= 5", {"blur": float("nan")}, "blur nan"),
        ("blur is not null", {"blur": None}, "blur is null"),
        ("width >= 9 or height >= 9", {"width": 1, "height": 2}, "width 1 < 9 and height 2 < 9"),
        (
            "not (width = 1 or height = 9)",
            {"width": 1, "height": 2},
            "width 1, height 2 (the rule: not (width = 1 or height = 9))",
        ),
    ],
)
def test_the_part_of_a_rule_that_fails(keep: str, row: dict[str, Any], part: str) -> None:
    assert failing(Rule("r", grammar.parse(keep), "drop", "why"), row) == part
