"""Near-duplicates of a corpus of many files: as many are open at once as it has, or the run says that they cannot be."""

from __future__ import annotations

import resource

import pytest

from dataengine.errors import RunError
from dataengine.sequence.near_duplicates import allow_open


@pytest.mark.parametrize(
    ("limits", "changed"),
    [
        ((1024, 4096), (1256, 4096)),
        ((1024, resource.RLIM_INFINITY), (1256, resource.RLIM_INFINITY)),
        ((2048, 4096), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_the_limit_of_open_files_is_raised_where_it_is_too_low(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], changed: tuple[int, int] | None
) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: calls.append(new))
    allow_open(1_000)
    assert calls == ([changed] if changed else [])


def test_a_machine_that_does_not_allow_it_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    with pytest.raises(RunError, match=r"9,000 files .* may open 4,096: raise the limit"):
        allow_open(9_000)
