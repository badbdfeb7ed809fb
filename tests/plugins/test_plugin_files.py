"""Plugin files: what is wrong with one is told by `validate`, with its place; two processes execute the same bytes."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.plugin_files import level, with_plugin

from dataengine.config.recipe import load
from dataengine.errors import UsageError
from dataengine.pipeline import stages
from dataengine.plugins.file import PluginFile
from dataengine.plugins.kinds import Kind
from dataengine.score.factory import of_recipe
from dataengine.score.plugin_trial import try_scorers
from dataengine.testing import check_plugin, write_recipe

TWICE = level(listed="\nclass Other(Level):\n    pass\n\nSCORERS = [Level, Other]\n")
SHADOWS = level('Level.name = "technical"')


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def score(:\n", r"level\.py:1: does not parse: "),
        ("\0", r"level\.py.*does not parse"),
        (
            "import no_such_package\n",
            r"level\.py:1: cannot be loaded: ModuleNotFoundError: .*no_such_package.*every node",
        ),
        ("def f():\n    return 1 / 0\n\nf()\n", r"level\.py:2: cannot be loaded: ZeroDivisionError"),
        ("raise SystemExit(3)", r"level\.py:1: cannot be loaded: SystemExit"),
        ("x = 1\n", r"lists nothing: add SCORERS, .* or EXPORTERS"),
        (level(listed="\nSCORERS = Level\n"), "SCORERS is no list of classes"),
        (level(listed="\nSCORERS = [Level()]\n"), "is no class"),
        (level("del Level.name"), "Level has no `name`"),
        (level('Level.name = "Über level"'), "use up to 63 of a-z"),
        (TWICE, "two classes called `level`"),
        (SHADOWS, "there is a scorer `technical` already, the engine's own"),
        (level("del Level.fields"), "scorer `level` of plugin level.py .*: it has no `fields`"),
        (level("del Level.prepare"), "it has no `prepare`"),
        (level("Level.fields = 'level'"), "`fields` is no list of pyarrow fields"),
        (level("Level.fields = Level.fields * 2"), "`fields` has `level` twice"),
        (level('Level.fields = [pa.field("id", pa.string())]'), "a column cannot be called 'id'"),
        (level('Level.fields = [pa.field("level", pa.bool_())]'), "`level` is of type bool; use double, int64, string"),
        (level('Level.fields = [pa.field("width", pa.float64())]'), "column `width` is there already"),
        (level("Level.version = 1"), "`version` must be a text"),
        (level("Level.frames = 0"), "`frames` must be a whole number from 1"),
        (level("Level.min_side = '256'"), "`min_side` must be None or a whole number"),
        (
            level("def wrong(self):\n    raise KeyError('x')\n\nLevel.validate = wrong"),
            "scorer `level` of plugin level.py .*: KeyError: 'x'",
        ),
    ],
)
def test_a_mistake_in_a_plugin_is_told_before_anything_runs(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stages(with_plugin(tmp_path, source))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [1.0 for _ in prepared]", "score gave a list; it gives a dict of columns"),
        ("return {'level': [1.0]}", "score gave 1 values of `level` for 2 samples"),
        ("return {'level': ['dark'] * len(prepared)}", "`level` is a str, not a number"),
        ("return {'light': [1.0] * len(prepared)}", "the columns are light; fields has level"),
        ("return None", "score gave a NoneType"),
        ("raise ValueError('never')", "ValueError: never"),
    ],
)
def test_what_a_scorer_gives_is_tried_by_validate(tmp_path: Path, body: str, message: str) -> None:
    recipe = with_plugin(tmp_path, level(f"def wrong(self, prepared, captions):\n    {body}\n\nLevel.score = wrong"))
    stages(recipe)
    with pytest.raises(UsageError, match=message):
        try_scorers(recipe)


def test_a_prepared_value_that_cannot_leave_the_decode_child_is_told_by_validate(tmp_path: Path) -> None:
    recipe = with_plugin(tmp_path, level("Level.prepare = lambda self, frames: object()"))
    with pytest.raises(UsageError, match="a value of type object cannot be sent"):
        try_scorers(recipe)


def test_a_scorer_that_is_right_passes_and_may_decline_a_picture(tmp_path: Path) -> None:
    try_scorers(with_plugin(tmp_path, level()))
    declined = "def declined(self, frames):\n    raise InputError('no_face', 'no face')\n\nLevel.prepare = declined"
    try_scorers(with_plugin(tmp_path, level(declined)))


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (["nowhere.py"], r"recipe\.yaml:\d+: `plugins\[0\]`: nowhere\.py: no such file"),
        (["."], "is no file: name a Python file"),
        ([3], r"`plugins\[0\]`: use the path of a Python file"),
        ("level.py", "must be a list"),
    ],
)
def test_a_plugin_that_is_not_there_is_named_with_its_line(tmp_path: Path, plugins: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(write_recipe(tmp_path, plugins=plugins))


def test_two_files_may_not_offer_one_name(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(level("# the same, elsewhere"))
    plugins = [str(tmp_path / name) for name in ("level.py", "other.py")]
    with pytest.raises(UsageError, match=r"other\.py: there is a scorer `level` already, of .*level\.py"):
        stages(with_plugin(tmp_path, level(), plugins=plugins))


def test_an_unknown_scorer_is_told_with_the_names_of_plugins(tmp_path: Path) -> None:
    scorers = [{"name": "levl"}]
    with pytest.raises(UsageError, match="did you mean `level`"):
        stages(with_plugin(tmp_path, level(), score={"scorers": scorers}))
    with pytest.raises(UsageError, match="unknown option `gian`; did you mean `gain`"):
        stages(with_plugin(tmp_path, level(), {"gian": 2}))


def test_a_version_has_the_digest_of_the_code_and_of_the_options(tmp_path: Path) -> None:
    """Neither the place of the file nor the name of its folder is in it."""
    (tmp_path / "elsewhere").mkdir()
    same = [with_plugin(folder, level()) for folder in (tmp_path, tmp_path / "elsewhere")]
    edited = with_plugin(tmp_path, level("# edited"))
    louder = with_plugin(tmp_path, level(), {"gain": 2.0})
    versions = [of_recipe(recipe)[1].version for recipe in (*same, edited, louder)]
    assert versions[0] == versions[1] and len(set(versions)) == 3
    assert all(version.startswith("1-") for version in versions)


def test_the_file_is_read_once_for_a_recipe(tmp_path: Path) -> None:
    """An editor that saves while a run goes on changes the next run, not this one."""
    recipe = with_plugin(tmp_path, level())
    before = of_recipe(recipe)[1].version
    (tmp_path / "level.py").write_text("this is no Python")
    assert of_recipe(recipe)[1].version == before
    stages(recipe.model_copy(update={"seed": 3}))


_THERE = """
import pickle, sys
scorer = pickle.load(sys.stdin.buffer)
print(scorer.version, scorer.outcomes([scorer.prepare([__import__("numpy").full((8, 8, 3), 7, "uint8")])], [[]]))
"""


@pytest.mark.slow
def test_another_process_makes_the_scorer_from_the_bytes_alone(tmp_path: Path) -> None:
    """The file is gone by then, as it is on another node."""
    scorer = of_recipe(with_plugin(tmp_path, level(), {"gain": 2.0}))[1]
    (tmp_path / "level.py").unlink()
    done = subprocess.run([sys.executable, "-c", _THERE], input=pickle.dumps(scorer), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == f"{scorer.version} [{{'level': 14.0}}]"


def test_two_versions_of_a_file_live_side_by_side(tmp_path: Path) -> None:
    files = [PluginFile("level.py", level(f'Level.version = "{n}"').encode()) for n in (1, 2)]
    classes = [file.offers(Kind.SCORER)["level"] for file in files]
    assert [class_.version for class_ in classes] == ["1", "2"]
    assert files[0] == PluginFile("elsewhere/level.py", files[0].source) and files[0] != files[1]
    assert files[0].offers(Kind.SCORER)["level"] is classes[0], "executed once"


EXAMPLES = Path(__file__).parents[2] / "examples/plugins"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_keeps_the_contracts_of_its_kind(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.jpg", b"not yet a picture")
    options = {"zips": {"path": str(tmp_path / "*.zip")}, "command": {"model": "m", "command": [sys.executable]}}
    assert len(check_plugin(path, options)) == 1


def test_the_test_kit_finds_what_only_two_looks_tell(tmp_path: Path) -> None:
    (tmp_path / "level.py").write_text(level("import random\nLevel.prepare = lambda self, frames: random.random()"))
    with pytest.raises(AssertionError, match="level: prepare gives another result the second time"):
        check_plugin(tmp_path / "level.py")
    (tmp_path / "level.py").write_text(level("Level.score = lambda self, prepared, captions: None"))
    with pytest.raises(AssertionError, match="score gave a NoneType"):
        check_plugin(tmp_path / "level.py")
