"""Where the tests of publishing publish to, with and without faults on the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.faulty_proxy import FaultyProxy, faulty


@pytest.fixture
def target(s3_conditional: str) -> str:
    return f"{s3_conditional}/team/small"


@pytest.fixture
def proxy(moto: str, target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty(moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
        yield proxy
