from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from dataengine.errors import RunError
from dataengine.storage import pinned_packages

FILES = "iscc_samples-0.6.0/iscc_samples/files/image"


@pytest.mark.parametrize(
    "package", [pinned_packages.IMGAUG, pinned_packages.SCIKIT_IMAGE], ids=["any machine", "one platform"]
)
def test_wheels_download_as_pinned_whatever_python_runs(
    package: pinned_packages.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAENGINE_CACHE", str(tmp_path))
    fresh = dataclasses.replace(package)
    assert fresh.path == tmp_path / "packages" / package.archive
    assert hashlib.sha256(fresh.path.read_bytes()).hexdigest() == package.sha256


@pytest.mark.parametrize(
    ("package", "wanted"),
    [
        (pinned_packages.ISCC_SAMPLES, [f"{FILES}/demo.jpg", f"{FILES}/demo.bmp"]),
        (pinned_packages.IMGAUG, ["imgaug/quokka.jpg"]),
    ],
    ids=["tar", "wheel"],
)
def test_several_members_in_one_pass_are_those_read_alone(package: pinned_packages.Package, wanted: list[str]) -> None:
    found = package.read_all(wanted)
    assert found == {name: package.read(name) for name in wanted}
    assert all(found.values())


def test_a_member_that_is_not_there_is_named() -> None:
    with pytest.raises(RunError, match=r"has no file nothing\.jpg"):
        pinned_packages.ISCC_SAMPLES.read_all([f"{FILES}/demo.jpg", "nothing.jpg"])
