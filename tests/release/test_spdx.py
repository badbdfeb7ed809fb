"""spdx.json: the SPDX project's own model reads it, with the shapes of the dataset profile checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spdx_python_model import v3_0_1

from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import open_release
from dataengine.release.spdx import spdx


def read(path: Path) -> v3_0_1.SHACLObjectSet:
    objects = v3_0_1.SHACLObjectSet()
    with path.open("rb") as file:
        v3_0_1.JSONLDDeserializer().read(file, objects)
    return objects


def test_the_model_reads_it(small: Path) -> None:
    objects = read(small / "spdx.json")
    [dataset] = objects.foreach_type(v3_0_1.dataset_DatasetPackage)
    manifest = json.loads((small / "manifest.json").read_bytes())
    assert dataset.name == manifest["name"] and dataset.software_packageVersion == manifest["version"]
    assert {kind.rpartition("/")[2] for kind in dataset.dataset_datasetType} == {"image", "video", "text"}
    assert dataset.dataset_datasetSize == sum(s["bytes"] for s in (*manifest["shards"], *manifest["cot"]["shards"]))
    assert "`release.biases` is empty" in dataset.dataset_knownBias[0]
    [document] = objects.foreach_type(v3_0_1.SpdxDocument)
    assert document.rootElement == [dataset]
    assert objects.missing_ids == set()


def test_every_file_is_there_with_its_digest(small: Path) -> None:
    listed = {f["path"]: f["sha256"] for f in json.loads((small / "manifest.json").read_bytes())["files"]}
    files = read(small / "spdx.json").foreach_type(v3_0_1.software_File)
    found = {file.name: file.verifiedUsing[0].hashValue for file in files}
    assert found == {path: digest for path, digest in listed.items() if path.endswith((".tar", ".parquet"))}


@pytest.mark.parametrize(
    ("given", "expression"), [("cc-by-4.0", "CC-BY-4.0"), ("mit", "MIT"), ("our own terms", "LicenseRef-our-own-terms")]
)
def test_licences_become_spdx_expressions(small: Path, tmp_path: Path, given: str, expression: str) -> None:
    manifest = open_release(str(small)).manifest
    manifest.license, manifest.date = given, "2026-01-31"
    path = tmp_path / "spdx.json"
    path.write_bytes(spdx(manifest, [ReleaseFile("ledger.parquet", "0" * 64, 5)]))
    objects = read(path)
    [licence] = objects.foreach_type(v3_0_1.simplelicensing_LicenseExpression)
    assert licence.simplelicensing_licenseExpression == expression
    [creation] = objects.foreach_type(v3_0_1.CreationInfo)
    assert creation.created.isoformat().startswith("2026-01-31T00:00:00")
