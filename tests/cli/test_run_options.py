"""The options of a run on the command line: each field of CommandOptions has one, and a command gets them as one object."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
import typer
from typer.testing import CliRunner

from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import RecipeArgument, exits
from dataengine.cli.run_options import run_options, stage_options


def options_of(decorator: object, *arguments: str) -> tuple[str, CommandOptions, bool] | str:
    """What a command with these options is called with; the error where it refuses them."""
    calls: list[tuple[str, CommandOptions, bool]] = []
    app = typer.Typer()

    @app.command()
    @exits
    @decorator  # type: ignore[operator]
    def command(recipe: RecipeArgument, options: CommandOptions, loud: bool = False) -> None:
        calls.append((recipe, options, loud))

    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    return calls[0] if calls else done.output


def test_every_field_has_an_option_and_no_other_default() -> None:
    assert options_of(run_options, "r.yaml") == ("r.yaml", CommandOptions(), False)

    @run_options
    def command(options: CommandOptions) -> None: ...

    assert {*inspect.signature(command).parameters} == {field.name for field in fields(CommandOptions)}


def test_they_arrive_as_they_are_given() -> None:
    arguments = ["r.yaml", "--workspace", "w", "--workers", "3", "--engine", "spark", "--dry-run", "--accept", "--loud"]
    arguments += [
        "--retry-failed",
        "--locked",
        "--only",
        "score",
        "--parts",
        "1/2",
        "--log-file",
        "-",
        "--lineage",
        "l",
    ]
    arguments += ["--quiet", "--json", "--metrics", "a.prom", "--metrics", ":0", "--partition", "2026-11-28"]
    whole = CommandOptions(
        "w", 3, "spark", True, True, True, True, "score", "1/2", "-", ["a.prom", ":0"], "l", ["2026-11-28"], True, True
    )
    assert options_of(run_options, *arguments) == ("r.yaml", whole, True)


@pytest.mark.parametrize("option", [["--only", "score"], ["--parts", "1/2"], ["--retry-failed"]])
def test_a_command_of_one_stage_has_no_options_of_whole_runs(option: list[str]) -> None:
    refusal = options_of(stage_options, "r.yaml", *option)
    assert isinstance(refusal, str) and option[0] in refusal
    assert options_of(stage_options, "r.yaml", "--locked") == ("r.yaml", CommandOptions(locked=True), False)
