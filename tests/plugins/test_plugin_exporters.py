"""Exporters of plugins, by the command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli.main import app
from dataengine.config.recipe import load
from dataengine.errors import UsageError
from dataengine.export.plugin import parsed
from dataengine.pipeline import execute
from dataengine.testing import InProcess, write_corpus, write_recipe

pytestmark = pytest.mark.slow  # all read one run's release

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/captions_csv.py"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("release")
    write_corpus(folder / "in", images=3)
    execute(load(write_recipe(folder)), engine=InProcess())
    return str(folder / "ws/releases/test")


def test_the_example_writes_a_table_of_captions(release: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["export", "plugin", "captions_csv", release, str(out), "--plugin", str(EXAMPLE), "--set", "separator=;"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    lines = (out / "captions.csv").read_text().splitlines()
    assert lines[0] == "id;shard;caption" and len(lines) == 4 and all("number" in line for line in lines[1:])
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2 and "is not empty" in again.output


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("return 1 / 0", 1, "exporter `mine` of plugin mine.py"),
        ("return 3", 1, "export gave a int"),
        ("from dataengine.errors import UsageError; raise UsageError('no captions')", 2, "no captions"),
    ],
)
def test_what_it_raises_is_an_error_with_its_name(
    release: str, tmp_path: Path, body: str, code: int, message: str
) -> None:
    source = f"class Mine:\n    name = 'mine'\n    def export(self, release, out, split):\n        {body}\n"
    (tmp_path / "mine.py").write_text(f"{source}\nEXPORTERS = [Mine]\n")
    options = ["--plugin", str(tmp_path / "mine.py")]
    done = CliRunner().invoke(app, ["export", "plugin", "mine", release, str(tmp_path / "out"), *options])
    assert done.exit_code == code and message in " ".join(done.output.split())


def test_unknown_names_and_settings_are_told(release: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "plugin", "captions_cvs", release, "out", "--plugin", str(EXAMPLE)])
    assert done.exit_code == 2 and "did you mean `captions_csv`" in " ".join(done.output.split())
    assert parsed(["rows=10", "mode=fast", "none=", "text=a=b"]) == {
        "rows": 10,
        "mode": "fast",
        "none": None,
        "text": "a=b",
    }
    with pytest.raises(UsageError, match="write OPTION=VALUE"):
        parsed(["rows"])
