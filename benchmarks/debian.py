"""Debian packages of pictures, fetched with apt-get on first use and unpacked beside the other downloads, not installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from dataengine.storage.pinned_packages import cache_dir


def unpacked(package: str) -> Path:
    """Folder that stands for ``/`` of the package."""
    folder = cache_dir() / "debian"
    made = folder / package
    if not made.exists():
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise SystemExit(f"{tool} is missing: this benchmark needs the Debian package {package}")
        folder.mkdir(parents=True, exist_ok=True)
        if not list(folder.glob(f"{package}_*.deb")):
            _fetch(folder, package)
        partial = folder / f"{package}.partial"
        archive = max(folder.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(archive), str(partial)], check=True)
        partial.rename(made)
    return made


def _fetch(folder: Path, package: str) -> None:
    """Download the archive; where apt does not know it, refresh apt's lists once."""
    command = ["apt-get", "download", "-qq", package]
    if subprocess.run(command, cwd=folder, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"apt-get could not download {package}:\n{done.stderr.strip()}")
