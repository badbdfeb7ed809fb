"""A worker of a model stage over free decoding and a simulated device: any number of children, batches and parts at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataengine.embed.worker import PICTURES, EmbedWorker
from dataengine.errors import PartitionError
from dataengine.media.limits import Limits
from dataengine.samples import locate
from dataengine.samples.locate import Located, payloads
from dataengine.stage import Feed, Part
from dataengine.storage.workspace import Workspace
from dataengine.testing.simulated import SimulatedDevice, SimulatedEncoder


class Embed(EmbedWorker):
    function = "dataengine.testing.simulated:instant"

    def context(self) -> Any:
        return None


class Flaky(SimulatedDevice):
    """Fails at its second batch, once."""

    calls = 0

    def compute(self, rows: Any) -> Any:
        self.calls += 1
        if self.calls == 2:
            raise PartitionError("lost")
        return super().compute(rows)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(str(tmp_path))


def parts(workspace: Workspace, count: int, pictures: int) -> list[Part]:
    made = []
    for part in range(count):
        data = np.random.default_rng(part).bytes(pictures * 50)
        key = f"media/{part}.tar"
        workspace.store.put(key, data)
        rows = [Located(f"{part}-{n:05d}", "image", "jpg", 50, (), key, n * 50, {}) for n in range(pictures)]
        made.append(Part(f"{part}", f"{part:016d}", rows))
    return made


def worker(workspace: Workspace, feed: Feed, device: SimulatedDevice | None = None) -> Embed:
    encoder = SimulatedEncoder(device or SimulatedDevice(0.0))
    made = Embed(Limits(), workspace, encoder, (PICTURES,), "cpu", 1)
    made.feed = feed
    return made


def embedded(one: Embed, work: list[Part], at_once: int) -> dict[str, bytes]:
    """Bytes of the files of all parts, which are deleted."""
    with ThreadPoolExecutor(at_once) as threads:
        outputs = list(threads.map(one.process, work))
    one.close()
    store, files = one.workspace.store, [file for output in outputs for file in output.files.values()]
    made = {file.key: store.get(file.key) for file in files}
    store.delete(list(made))
    return made


@pytest.mark.parametrize(("feed", "at_once"), [(Feed(3, 1), 1), (Feed(1, 2), 2), (Feed(2, 2), 3)])
def test_files_do_not_depend_on_how_a_worker_is_fed(workspace: Workspace, feed: Feed, at_once: int) -> None:
    work = parts(workspace, 3, 300)
    expected = embedded(worker(workspace, Feed()), work, 1)
    assert len(expected) == 3 and len(set(expected.values())) == 3
    assert embedded(worker(workspace, feed), work, at_once) == expected


@pytest.mark.parametrize("feed", [Feed(), Feed(2, 2)])
def test_a_part_that_failed_leaves_a_working_worker(workspace: Workspace, feed: Feed) -> None:
    work = parts(workspace, 2, 1500)
    one = worker(workspace, feed, Flaky(0.0))
    with pytest.raises(PartitionError, match="lost"):
        one.process(work[0])
    assert [one.process(part).counts["samples"] for part in work] == [1500, 1500]
    one.close()


@pytest.mark.parametrize("together", [1, 120, 1 << 20])
def test_media_bytes_in_the_order_of_the_rows(
    workspace: Workspace, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "_READ_AHEAD", together)
    rows = [row for part in parts(workspace, 2, 7) for row in part.spec]
    read = list(payloads(workspace.store, rows))
    assert [row for row, _ in read] == rows
    assert b"".join(data for _, data in read) == b"".join(workspace.store.get(f"media/{n}.tar") for n in (0, 1))
    assert list(payloads(workspace.store, [])) == []
