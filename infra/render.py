"""Writes an overlay's manifests, a file a stage: what a scheduler submits (docs/schedule.md).

    python infra/render.py infra/kubernetes/overlays/gpu manifests

``manifests/ingest.yaml`` and the like, and ``setup.yaml`` with what is applied once: namespace, accounts, roles, network.
"""

from __future__ import annotations

import argparse
import subprocess
from collections import defaultdict
from pathlib import Path

import yaml


def by_stage(rendered: str) -> dict[str, list[dict]]:
    """Manifests by the stage that their label names, ``setup`` for those of none."""
    files = defaultdict(list)
    for manifest in yaml.safe_load_all(rendered):
        labels = manifest["metadata"].get("labels", {})
        files[labels.get("dataengine/stage", "setup")].append(manifest)
    return dict(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("overlay", type=Path, help="a folder with a kustomization.yaml")
    parser.add_argument("out", type=Path)
    parser.add_argument("--kubectl", default="kubectl")
    options = parser.parse_args()
    done = subprocess.run([options.kubectl, "kustomize", options.overlay], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{options.overlay}: {done.stderr.strip()}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, manifests in by_stage(done.stdout).items():
        (options.out / f"{name}.yaml").write_text(yaml.safe_dump_all(manifests, sort_keys=False))
    print(f"{options.out}: {', '.join(sorted(path.stem for path in options.out.glob('*.yaml')))}")


if __name__ == "__main__":
    main()
