"""The manifests of infra/kubernetes as files: every stage has one, values reach their places, decode workers reach nothing.

``make infra-check`` renders them with Kustomize and checks them by schemas; this reads them as they lie.
"""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dataengine.catalog import STAGES
from dataengine.stage_groups import group_of

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "infra/kubernetes"
OVERLAYS = ["cpu", "gpu"]
#: Commands beside the groups of stages: halves of dedup and shard that Spark makes.
HALVES = {"unique", "assign"}


def read(path: str) -> Any:
    return yaml.safe_load((KUBERNETES / path).read_text())


def stages() -> dict[str, dict[str, Any]]:
    return {path.parent.name: yaml.safe_load(path.read_text()) for path in KUBERNETES.glob("stages/*/*.yaml")}


def patches(stage: dict[str, Any]) -> dict[str, str]:
    """Values by the place that they replace."""
    [patch] = stage["patches"]
    return {step["path"]: step["value"] for step in yaml.safe_load(patch["patch"])}


def policies() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / "base/network.yaml").read_text()))


def test_every_stage_of_the_catalog_has_a_manifest_and_a_script() -> None:
    made = stages()
    assert set(made) == {group_of(stage.name) for stage in STAGES} | HALVES
    assert {f"../stages/{name}" for name in made} <= set(read("base/kustomization.yaml")["resources"])
    for name, stage in made.items():
        places = patches(stage)
        [command] = [v for k, v in places.items() if k in ("/spec/entrypoint", "/spec/mainApplicationFile")]
        [script] = re.findall(r"/opt/dataengine/(jobs/\S+\.py)", command)
        assert f'command(["{name}",' in (ROOT / script).read_text(), name
        assert places["/metadata/name"] == name
        assert stage["labels"][0]["pairs"]["dataengine/stage"] == name
        assert stage["resources"] == ["../../spark" if "/spark/" in script else "../../ray"]


def test_every_script_has_a_manifest() -> None:
    """But for the release on Ray: the release's manifest is Spark's."""
    named = {re.findall(r"jobs/\S+\.py", str(patches(stage)))[0] for stage in stages().values()}
    scripts = {str(path.relative_to(ROOT)) for path in ROOT.glob("jobs/*/*.py")}
    assert scripts - named == {"jobs/ray/release.py"}


def test_the_base_is_in_the_order_of_the_data() -> None:
    order = [Path(r).name for r in read("base/kustomization.yaml")["resources"] if "stages" in r]
    groups = list(dict.fromkeys(group_of(stage.name) for stage in STAGES))
    assert [name for name in order if name not in HALVES and name != "dedup"] == [g for g in groups if g != "dedup"]
    assert order.index("ingest") < order.index("unique") < order.index("embed") < order.index("dedup")
    assert order.index("dedup") < order.index("score") and order.index("assign") == order.index("shard") - 1


def test_versions_are_those_that_were_tested() -> None:
    pinned = dict(re.findall(r"^([a-z]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    assert read("ray/rayjob.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == pinned["ray"]
    assert read("spark/sparkapplication.yaml")["spec"]["sparkVersion"] == pinned["pyspark"]


@pytest.mark.parametrize(("file", "schema"), [("ray/rayjob", "rayjob"), ("spark/sparkapplication", "sparkapplication")])
def test_the_bases_have_only_documented_fields(file: str, schema: str) -> None:
    validator, manifest = Draft202012Validator(read(f"schemas/{schema}.yaml")), read(f"{file}.yaml")
    assert list(validator.iter_errors(manifest)) == []
    broken = copy.deepcopy(manifest)
    broken["spec"]["backofLimit"] = 1
    assert [error.validator for error in validator.iter_errors(broken)] == ["additionalProperties"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_value_of_an_overlay_is_used_and_every_use_has_a_value(overlay: str) -> None:
    values = read(f"overlays/{overlay}/values.yaml")["spec"]
    components = [Path(c).name for c in read(f"overlays/{overlay}/kustomization.yaml")["components"]]
    uses = [r for c in components for r in read(f"components/{c}/kustomization.yaml").get("replacements", [])]
    paths = {use["source"]["fieldPath"].removeprefix("spec.") for use in uses}
    flat = {
        f"{key}.{name}" if isinstance(inner, dict) else key
        for key, inner in values.items()
        for name in (inner if isinstance(inner, dict) else [""])
    }
    assert paths == flat


def selected(policy: dict[str, Any], labels: dict[str, str]) -> bool:
    selector = policy["spec"]["podSelector"]
    equal = all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items())
    return equal and all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))


def reaches(labels: dict[str, str]) -> set[str]:
    """Names of the policies that open something to pods with these labels."""
    chosen = [p for p in policies() if selected(p, labels)]
    assert any(p["spec"]["policyTypes"] == ["Ingress", "Egress"] and "egress" not in p["spec"] for p in chosen)
    return {p["metadata"]["name"].removeprefix("dataengine-") for p in chosen if p["spec"].get("egress")}


WORKER = {"app.kubernetes.io/part-of": "dataengine", "dataengine/role": "worker", "dataengine/stage": "ingest"}
#: Labels beside a worker's own, and what pods with them reach.
REACH: list[tuple[dict[str, str], set[str]]] = [
    ({}, {"peers", "names", "storage"}),
    ({"dataengine/role": "executor"}, {"peers", "names", "storage"}),
    ({"dataengine/role": "submitter"}, {"peers", "names", "storage"}),
    ({"dataengine/role": "head"}, {"peers", "names", "storage", "api-server", "monitoring"}),
    ({"dataengine/role": "driver"}, {"peers", "names", "storage", "api-server", "monitoring"}),
    ({"dataengine/downloads": "true"}, {"peers", "names", "storage", "downloads"}),
    ({"dataengine/asks-models": "true"}, {"peers", "names", "storage", "models"}),
]


@pytest.mark.parametrize(("labels", "expected"), REACH, ids=lambda value: "-".join(sorted(value)) or "worker")
def test_what_pods_reach(labels: dict[str, str], expected: set[str]) -> None:
    assert reaches({**WORKER, **labels}) == expected


def test_only_downloads_reach_the_internet_and_no_private_address() -> None:
    open_blocks = {
        policy["metadata"]["name"]: target["ipBlock"]
        for policy in policies()
        for rule in policy["spec"].get("egress", [])
        for target in rule["to"]
        if target.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    }
    assert set(open_blocks) == {"dataengine-downloads"}
    denied = open_blocks["dataengine-downloads"]["except"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"} <= set(denied)


def test_pods_are_labelled_as_the_policies_ask() -> None:
    cluster = read("ray/rayjob.yaml")["spec"]["rayClusterSpec"]
    application = read("spark/sparkapplication.yaml")["spec"]
    group = yaml.safe_load((KUBERNETES / "components/gpu/group.yaml").read_text())[0]["value"]
    templates = {
        "head": cluster["headGroupSpec"]["template"],
        "submitter": read("ray/rayjob.yaml")["spec"]["submitterPodTemplate"],
        "driver": application["driver"]["template"],
        "executor": application["executor"]["template"],
    }
    workers = [cluster["workerGroupSpecs"][0]["template"], group["template"]]
    for role, template in [*templates.items(), *(("worker", w) for w in workers)]:
        labels = template["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "dataengine" and labels["dataengine/role"] == role
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        asks_api = role in ("head", "driver")
        assert template["spec"].get("automountServiceAccountToken", True) is asks_api
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert not [e for e in container.get("env", []) if "SECRET" in e["name"] or "KEY" in e["name"]]


@pytest.mark.parametrize("component", ["models", "spot"])
def test_what_workers_get_those_with_gpus_get_too(component: str) -> None:
    def places(name: str, group: int) -> set[str]:
        patches = read(f"components/{name}/kustomization.yaml")["patches"]
        steps = [s for p in patches if p["target"]["kind"] == "RayJob" for s in yaml.safe_load(p["patch"])]
        base = f"/spec/rayClusterSpec/workerGroupSpecs/{group}/"
        return {s["path"].removeprefix(base).removesuffix("/-") for s in steps if s["path"].startswith(base)}

    assert places(f"gpu-{component}", 1) == places(component, 0) != set()


def test_an_overlay_is_written_a_file_a_stage(tmp_path: Path) -> None:
    """As a scheduler wants it; Kustomize is a program that prints."""
    parts = [
        {"kind": "RayJob", "metadata": {"name": "ingest", "labels": {"dataengine/stage": "ingest"}}},
        {"kind": "Role", "metadata": {"name": "r", "labels": {"dataengine/setup": "true"}}},
        {"kind": "Namespace", "metadata": {"name": "n"}},
    ]
    (tmp_path / "rendered.yaml").write_text(yaml.safe_dump_all(parts))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"#!/bin/sh\n[ \"$1 $2\" = 'kustomize mine' ] && cat {tmp_path}/rendered.yaml || {{ echo no overlay >&2; exit 1; }}\n"
    )
    kubectl.chmod(0o755)
    command = [sys.executable, str(ROOT / "infra/render.py"), "--kubectl", str(kubectl)]
    subprocess.run([*command, "mine", str(tmp_path / "out")], check=True, capture_output=True, timeout=600)
    files = {p.stem: [m["kind"] for m in yaml.safe_load_all(p.read_text())] for p in (tmp_path / "out").iterdir()}
    assert files == {"ingest": ["RayJob"], "setup": ["Role", "Namespace"]}
    wrong = subprocess.run([*command, "other", str(tmp_path / "no")], capture_output=True, text=True, timeout=600)
    assert wrong.returncode == 1 and wrong.stderr.strip() == "other: no overlay" and not (tmp_path / "no").exists()
