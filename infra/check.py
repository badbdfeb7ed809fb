"""Checks all of infra/ without a cluster: ``make infra-check``. Names what cannot run here, and exits with 1 for any finding.

Kustomize renders every overlay and one with all components; what comes out is checked by the schemas of Kubernetes
(``kubernetes-validate``), custom resources by ours in ``kubernetes/schemas``, or by the operators' own definitions where
``--crds`` names a folder of them. Pod templates inside custom resources are checked as pods.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

INFRA = Path(__file__).parent
KUBERNETES = INFRA / "kubernetes"
BIN = Path(sys.executable).parent
KINDS = {"RayJob": "rayjob", "SparkApplication": "sparkapplication"}
Manifest = dict[str, Any]


def render(overlay: Path) -> str:
    """What Kustomize makes of an overlay. Raises SystemExit with its error."""
    done = subprocess.run([BIN / "kubectl", "kustomize", overlay], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{overlay}: {done.stderr.strip()}")
    return done.stdout


def with_all_components(folder: Path) -> Path:
    """An overlay in ``folder`` of the GPU overlay's values and every component."""
    components = ["gpu", "spot", "gpu-spot", "downloads", "models", "gpu-models", "values", "gpu-values"]
    shutil.copy(KUBERNETES / "overlays/gpu/values.yaml", folder)
    up = os.path.relpath(KUBERNETES.resolve(), folder.resolve())
    text = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "dataengine",
        "resources": [f"{up}/base", "values.yaml"],
        "components": [f"{up}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return folder


def templates(manifest: Manifest, path: str = "") -> Iterator[tuple[str, Manifest]]:
    """Pod templates in a custom resource, by their place."""
    for name, value in manifest.items():
        place = f"{path}.{name}" if path else name
        if name in ("template", "submitterPodTemplate"):
            yield place, value
        elif isinstance(value, dict):
            yield from templates(value, place)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, dict):
                    yield from templates(item, f"{place}[{number}]")


def standard(manifest: Manifest, name: str) -> list[str]:
    """Findings by Kubernetes' own schemas, unknown fields among them."""
    try:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{name}: {str(error).partition(chr(10))[0]}"]
    return []


def pod(template: Manifest, name: str) -> list[str]:
    """Findings of a pod template, as a pod, and by our own rules for pods."""
    metadata = {"name": "pod", **template.get("metadata", {})}
    findings = standard({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, name)
    spec = template["spec"]
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        findings.append(f"{name}: may run as root")
    for container in spec["containers"]:
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False or not security.get("readOnlyRootFilesystem"):
            findings.append(f"{name}: container {container['name']} may gain privileges or write to its image")
        words = [f"{e['name']} in plain text" for e in container.get("env", []) if _is_secret(e)]
        findings += [f"{name}: {word}: name a secret instead" for word in words]
    return findings


def _is_secret(variable: Manifest) -> bool:
    return "value" in variable and any(w in variable["name"] for w in ("SECRET", "TOKEN", "PASSWORD", "KEY"))


def custom(manifest: Manifest, name: str, schemas: dict[str, Manifest]) -> list[str]:
    """Findings of a custom resource and the pods in it."""
    validator = Draft202012Validator(schemas[manifest["kind"]])
    findings = [f"{name}: {'.'.join(map(str, e.path))}: {e.message[:300]}" for e in validator.iter_errors(manifest)]
    for place, template in templates(manifest):
        findings += pod(template, f"{name} {place}")
    return findings


def our_schemas() -> dict[str, Manifest]:
    return {kind: yaml.safe_load((KUBERNETES / f"schemas/{file}.yaml").read_text()) for kind, file in KINDS.items()}


def definitions(folder: Path) -> dict[str, Manifest]:
    """Schemas of the operators' custom resource definitions in a folder, in which an unknown field is an error."""
    schemas = {}
    for path in sorted(folder.rglob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            if isinstance(crd, dict) and crd.get("kind") == "CustomResourceDefinition":
                stored = next(v for v in crd["spec"]["versions"] if v["storage"])
                schemas[crd["spec"]["names"]["kind"]] = _closed(stored["schema"]["openAPIV3Schema"])
    if missing := [kind for kind in KINDS if kind not in schemas]:
        raise SystemExit(f"{folder} holds no definition of {', '.join(missing)}")
    return schemas


def _closed(schema: Manifest) -> Manifest:
    """As the API server reads it: a number or text where that is said, and no fields but those that are named."""
    schema = copy.copy(schema)
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("pattern", None)
        return {"type": ["integer", "string"]}
    if "properties" in schema:
        schema["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            schema[name] = _closed(schema[name])
    return schema


def holes(manifest: Manifest, name: str) -> list[str]:
    """Findings of words that a value of the overlay should have replaced."""
    words = re.findall(
        r"\b(?:IMAGE|RECIPE|WORKSPACE|RUN|REGION|SECONDS|METRICS|STAGE)\b(?!_)", yaml.safe_dump(manifest)
    )
    return [f"{name}: {word} was not replaced by a value" for word in sorted(set(words))]


def manifests(text: str, source: str, schemas: dict[str, Manifest]) -> list[str]:
    findings = []
    for manifest in yaml.safe_load_all(text):
        name = f"{source} {manifest['kind']} {manifest['metadata']['name']}"
        findings += custom(manifest, name, schemas) if manifest["kind"] in KINDS else standard(manifest, name)
        findings += holes(manifest, name)
    return findings


def command(*words: str | Path) -> list[str]:
    """Findings of a program that exits with 0 where it has none."""
    done = subprocess.run(words, capture_output=True, text=True)
    return [f"{' '.join(map(str, words))}:\n{(done.stdout + done.stderr).strip()}"] if done.returncode else []


def terraform() -> tuple[list[str], list[str]]:
    """Findings, and what was not checked."""
    folder, findings = INFRA / "terraform", []
    for path in sorted(folder.glob("*.tf")):
        try:
            with path.open() as file:
                hcl2.load(file)
        except Exception as error:  # whatever the parser raises is what is wrong with the file
            findings.append(f"{path}: {error}")
    if shutil.which("terraform") is None:
        return findings, ["terraform fmt and validate: no terraform on this machine"]
    return findings + command("terraform", f"-chdir={folder}", "fmt", "-check", "-diff"), [
        "terraform validate and plan: they need the AWS provider and an account"
    ]


def policies(rendered: Path) -> list[str]:
    """Findings of checkov: Terraform, Dockerfile, and what Kustomize rendered of Kubernetes' own kinds."""
    checkov = BIN.parent / "checkov/bin/checkov"
    where = [("-d", INFRA / "terraform"), ("-f", INFRA / "Dockerfile", rendered)]
    how = ["--config-file", INFRA / "checkov.yaml", "--compact", "--quiet", "--skip-download"]
    return [finding for place in where for finding in command(checkov, *place, *how)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/infra"), help="where the rendered manifests go")
    parser.add_argument("--crds", type=Path, help="folder with the operators' custom resource definitions")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    schemas = definitions(options.crds) if options.crds else our_schemas()
    findings: list[str] = []
    overlays = sorted(path for path in (KUBERNETES / "overlays").iterdir() if path.is_dir())
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        for overlay in [*overlays, with_all_components(Path(folder))]:
            name = overlay.name if overlay in overlays else "everything"
            text = render(overlay)
            (options.out / f"{name}.yaml").write_text(text)
            findings += manifests(text, name, schemas)
            report(f"overlay {name}", len(list(yaml.safe_load_all(text))), "manifests")
    findings += command(BIN / "hadolint", INFRA / "Dockerfile")
    findings += command("bash", "-n", INFRA / "entrypoint")
    of_terraform, missing = terraform()
    findings += of_terraform + policies(options.out / "everything.yaml")
    if not options.crds:
        missing.append("custom resources by the operators' own definitions: pass CRDS=FOLDER")
    missing += [
        "docker build of both targets, and doctor --strict in them: no daemon that builds",
        "the manifests on a cluster with both operators: kubectl apply --dry-run=server there",
    ]
    print("\n".join(f"not run: {what}" for what in missing))
    print("\n".join(findings) or "no findings")
    raise SystemExit(1 if findings else 0)


def report(what: str, number: int, unit: str) -> None:
    print(f"{what}: {number} {unit}")


if __name__ == "__main__":
    main()
