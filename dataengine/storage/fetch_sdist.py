"""Fetch one file of a package index as it is: ``python -m dataengine.storage.fetch_sdist NAME FILE TARGET``.

``pip download`` runs the build backend of a source archive to learn its metadata. This asks pip only where the file lies, and
for its bytes, so that pip's index, proxy, certificates and credentials hold, and nothing of the package runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pip._internal.commands import create_command


def fetch(name: str, file: str, target: Path) -> None:
    """Write the bytes of ``file``, unchecked, to ``target``. Exits with a message where no index has it."""
    command = create_command("download")
    options, _ = command.parse_args(["--quiet"])
    with command.main_context():
        session = command.get_default_session(options)  # type: ignore[attr-defined]
        finder = command._build_package_finder(options, session, ignore_requires_python=True)  # type: ignore[attr-defined]
        links = [c.link for c in finder.find_all_candidates(name) if c.link.filename == file]
        if not links:
            sys.exit(f"no index has {file}")
        response = session.get(links[0].url_without_fragment, stream=True, headers={"Accept-Encoding": "identity"})
        response.raise_for_status()
        with target.open("wb") as out:
            out.writelines(response.iter_content(1 << 20))


if __name__ == "__main__":
    fetch(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
