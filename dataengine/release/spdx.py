"""Writes spdx.json: the release as an SPDX 3.0.1 document with the dataset profile.

The time of creation is the recipe's ``release.date``, or 1970-01-01 where it has none: a clock would make two runs of one
recipe differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dataengine.release import card_text, privacy_section
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import ReleaseFile

Json = dict[str, Any]

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_UNDATED = "1970-01-01"


def spdx(m: Manifest, files: Sequence[ReleaseFile]) -> bytes:
    """The JSON-LD of a release: ``m`` is its manifest, ``files`` are those of its data and its ledger."""
    graph = _Graph(m)
    elements = [
        graph.creation(),
        graph.element("Organization", "maker", name=m.contact or "not stated"),
        graph.dataset(),
        graph.element("simplelicensing_LicenseExpression", "licence", simplelicensing_licenseExpression=graph.licence),
        graph.relationship("declared", "hasDeclaredLicense", "dataset", ["licence"]),
        *(graph.file(number, file.path, file.sha256) for number, file in enumerate(files)),
        graph.relationship("files", "contains", "dataset", [f"file-{n}" for n in range(len(files))]),
    ]
    document = {"@context": CONTEXT, "@graph": [*elements, graph.document(elements)]}
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


class _Graph:
    """Elements of one document; they share a creation and a prefix of names."""

    def __init__(self, m: Manifest) -> None:
        self._m = m
        self._base = f"urn:dataengine:{m.name}:{m.recipe_digest}"

    @property
    def licence(self) -> str:
        """An SPDX expression: names that SPDX does not know become a reference."""
        name = str(self._m.license)
        is_spdx = name.lower() in _LICENCES
        return (
            _LICENCES[name.lower()]
            if is_spdx
            else "LicenseRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in name)
        )

    def creation(self) -> Json:
        return {
            "type": "CreationInfo",
            "@id": "_:creation",
            "specVersion": "3.0.1",
            "created": f"{self._m.date or _UNDATED}T00:00:00Z",
            "createdBy": [self._id("maker")],
        }

    def element(self, kind: str, id_: str, **fields: Any) -> Json:
        return {"type": kind, "spdxId": self._id(id_), "creationInfo": "_:creation", **fields}

    def dataset(self) -> Json:
        m = self._m
        size = sum(s.bytes for s in [*m.shards, *m.cot.shards])
        return self.element(
            "dataset_DatasetPackage",
            "dataset",
            name=m.name,
            summary=m.title,
            description=m.description,
            originatedBy=[self._id("maker")],
            builtTime=f"{m.date or _UNDATED}T00:00:00Z",
            releaseTime=f"{m.date or _UNDATED}T00:00:00Z",
            software_packageVersion=m.version,
            software_primaryPurpose="data",
            software_downloadLocation=m.url or "urn:dataengine:not-stated",
            software_sourceInfo=card_text.maker(m),
            dataset_datasetType=[*card_text.kinds(m), "text"],
            dataset_datasetSize=size,
            dataset_dataCollectionProcess=card_text.collection(m),
            dataset_dataPreprocessing=card_text.steps(m),
            dataset_datasetNoise=card_text.missing(m),
            **({"dataset_anonymizationMethodUsed": done} if (done := privacy_section.private(m)) else {}),
            dataset_intendedUse=card_text.stated(m, "intended_use"),
            dataset_knownBias=[card_text.stated(m, "biases")],
            dataset_hasSensitivePersonalInformation="noAssertion",
        )

    def file(self, number: int, path: str, sha256: str) -> Json:
        digest = {"type": "Hash", "algorithm": "sha256", "hashValue": sha256}
        fields: Json = {"name": path, "verifiedUsing": [digest], "software_primaryPurpose": "data"}
        return self.element("software_File", f"file-{number}", **fields)

    def relationship(self, name: str, kind: str, source: str, targets: list[str]) -> Json:
        fields: Json = {"from": self._id(source), "to": [self._id(t) for t in targets], "relationshipType": kind}
        return self.element("Relationship", name, **fields)

    def document(self, elements: list[Json]) -> Json:
        return self.element(
            "SpdxDocument",
            "document",
            profileConformance=["core", "software", "dataset", "simpleLicensing"],
            rootElement=[self._id("dataset")],
            element=[e["spdxId"] for e in elements if "spdxId" in e],
        )

    def _id(self, name: str) -> str:
        return f"{self._base}:{name}"


_LICENCES = {
    name.lower(): name
    for name in (
        *(
            "Apache-2.0",
            "MIT",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "GPL-2.0-only",
            "GPL-3.0-only",
            "LGPL-3.0-only",
            "MPL-2.0",
        ),
        *("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0"),
        *("CC-BY-3.0", "CC-BY-SA-3.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0"),
    )
}
"""SPDX names of licences of data sets, by their lower-case form, which is Hugging Face's."""
