"""Software bill of materials of the image's Python packages, CycloneDX 1.6 with licences: ``make infra-check``.

Run by the environment whose packages are listed (they are those of ``constraints.txt``), it names what the image installs
and all that this needs; development tools of the same environment are left out. Debian's packages are not in it: a scanner
of your registry lists them from the built image.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def wanted() -> list[str]:
    """What the Dockerfile installs, as requirements."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["annotate"], *extras["lineage"], "ray[default]"]


def closure(requirements: list[str]) -> set[str]:
    """Canonical names of the packages and all that they need on this platform."""
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        try:
            needs = [Requirement(text) for text in requires(requirement.name) or []]
        except PackageNotFoundError:
            raise SystemExit(f"{requirement} is not installed: run `make .venv/dev`") from None
        seen.add(key)
        extras = ["", *requirement.extras]
        waiting += [r for r in needs if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)]
    return {name for name, _ in seen}


def pruned(bom: dict, names: set[str]) -> dict:
    """The bill with the named components only, and the dependencies among them."""
    kept = [c for c in bom["components"] if canonicalize_name(c["name"]) in names]
    refs = {c["bom-ref"] for c in kept} | {bom["metadata"]["component"]["bom-ref"]}
    edges = [
        {**edge, "dependsOn": [ref for ref in edge.get("dependsOn", []) if ref in refs]}
        for edge in bom.get("dependencies", [])
        if edge["ref"] in refs
    ]
    return {**bom, "components": kept, "dependencies": edges}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tool", type=Path, default=Path(".venv-infra/bin/cyclonedx-py"))
    parser.add_argument("--out", type=Path, default=Path("build/infra/sbom.json"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    how = ["--pyproject", "pyproject.toml", "--output-reproducible", "--sv", "1.6", "--of", "JSON"]
    made = subprocess.run([options.tool, "environment", *how, sys.executable], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(made.stderr.strip())
    names = closure(wanted())
    bom = pruned(json.loads(made.stdout), names)
    if missing := names - {canonicalize_name(c["name"]) for c in bom["components"]}:
        raise SystemExit(f"no component is called {', '.join(sorted(missing))}")
    options.out.write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n")
    unlicensed = [c["name"] for c in bom["components"] if not c.get("licenses")]
    print(f"{options.out}: {len(bom['components'])} packages; without a licence in their metadata: {unlicensed}")


if __name__ == "__main__":
    main()
