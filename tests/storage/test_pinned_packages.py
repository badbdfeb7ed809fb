"""Packages fetched at run time: the digest decides before anything of them is kept, and nothing of them runs."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from dataengine.errors import RunError
from dataengine.storage.pinned_packages import Package

WHEEL, SDIST = "pinned_sample-1.0-py3-none-any.whl", "pinned_sample-1.0.tar.gz"
METADATA = "Metadata-Version: 2.1\nName: pinned-sample\nVersion: 1.0\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that pip uses in place of an index; the source archive leaves ``ran`` behind where it is built."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("data.txt", "in a wheel")
        wheel.writestr("pinned_sample-1.0.dist-info/METADATA", METADATA)
        wheel.writestr(
            "pinned_sample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("pinned_sample-1.0.dist-info/RECORD", "")
    members = {
        "PKG-INFO": METADATA,
        "data.txt": "in an sdist",
        "setup.py": f"open({str(tmp_path / 'ran')!r}, 'w').close()",
    }
    with tarfile.open(folder / SDIST, "w:gz") as sdist:
        for name, text in members.items():
            info = tarfile.TarInfo(f"pinned_sample-1.0/{name}")
            info.size = len(text)
            sdist.addfile(info, io.BytesIO(text.encode()))
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("DATAENGINE_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.parametrize(("archive", "member"), [(WHEEL, "data.txt"), (SDIST, "pinned_sample-1.0/data.txt")])
def test_what_has_the_digest_is_kept(archive: str, member: str, index: Path) -> None:
    digest = hashlib.sha256((index / archive).read_bytes()).hexdigest()
    package = Package("pinned-sample", "1.0", archive, digest, "MIT")
    assert package.read(member).startswith(b"in a") and member in package.members()
    assert sorted(p.name for p in package.path.parent.iterdir()) == [archive]
    assert not (index.parent / "ran").exists(), "its setup.py was run"


@pytest.mark.parametrize("archive", [WHEEL, SDIST])
def test_what_has_another_digest_is_not(archive: str, index: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"could not download pinned-sample==1\.0"):
        _ = Package("pinned-sample", "1.0", archive, "0" * 64, "MIT").path
    assert list((tmp_path / "cache" / "packages").iterdir()) == []
    assert not (index.parent / "ran").exists()


def test_what_no_index_has_is_said(index: Path) -> None:
    with pytest.raises(RunError, match=r"no index has other-1\.0\.tar\.gz\nPut other-1\.0\.tar\.gz into .* by hand"):
        _ = Package("other", "1.0", "other-1.0.tar.gz", "0" * 64, "MIT").path
