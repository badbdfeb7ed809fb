"""The options of commands that run stages, declared once: a command gets them as one ``CommandOptions``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import (
    AcceptOption,
    DryRunOption,
    EngineOption,
    JsonOption,
    LineageOption,
    LockedOption,
    LogFileOption,
    MetricsOption,
    OnlyOption,
    PartitionOption,
    PartsOption,
    QuietOption,
    RetryOption,
    WorkersOption,
    WorkspaceOption,
)

#: Fields of CommandOptions as typer declares them, in the order of ``--help``.
_DECLARED: dict[str, Any] = {
    "workspace": WorkspaceOption,
    "workers": WorkersOption,
    "engine": EngineOption,
    "dry_run": DryRunOption,
    "accept": AcceptOption,
    "retry_failed": RetryOption,
    "locked": LockedOption,
    "only": OnlyOption,
    "parts": PartsOption,
    "log_file": LogFileOption,
    "metrics": MetricsOption,
    "lineage": LineageOption,
    "partition": PartitionOption,
    "quiet": QuietOption,
    "as_json": JsonOption,
}
_OF_WHOLE_RUNS = ("retry_failed", "only", "parts")

Command = Callable[..., None]


def run_options(command: Command) -> Command:
    """Decorator of a command with a parameter ``options``: in its place stand all options of a run."""
    return _with(command, _DECLARED)


def stage_options(command: Command) -> Command:
    """As ``run_options``, for a command that makes one group of stages."""
    return _with(command, [name for name in _DECLARED if name not in _OF_WHOLE_RUNS])


def _with(command: Command, names: Collection[str]) -> Command:
    hints = get_type_hints(command, include_extras=True)
    defaults = CommandOptions()
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name != "options":
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        for field in names:
            default = getattr(defaults, field)
            parameters.append(Parameter(field, parameter.kind, default=default, annotation=_DECLARED[field]))

    @wraps(command)
    def run(**arguments: Any) -> None:
        options = CommandOptions(**{name: arguments.pop(name) for name in names})
        command(**arguments, options=options)

    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
