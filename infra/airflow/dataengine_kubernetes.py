"""A stage as a resource of Kubernetes: a ``RayJob`` of KubeRay, or a ``SparkApplication`` of the Spark operator. Standard library
only; the calls to the API are the caller's.
"""

from __future__ import annotations

import copy
import hashlib
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from dataengine_stages import Call

_POLL_SECONDS = 10.0


class Resources(Protocol):
    """The calls of Kubernetes that a stage needs: the provider's ``KubernetesHook`` has them."""

    def create_custom_object(
        self, group: str, version: str, plural: str, body: Any, namespace: str | None = None
    ) -> dict[str, Any]: ...

    def get_custom_object(
        self, group: str, version: str, plural: str, name: str, namespace: str | None = None
    ) -> dict[str, Any]: ...

    def delete_custom_object(
        self, group: str, version: str, plural: str, name: str, namespace: str | None = None
    ) -> Any: ...


class Resource:
    """A stage as a resource of Kubernetes: ``manifest`` with a name of its own, the partition and DATAENGINE_RUN. It is deleted
    once it has ended, and with it the pods."""

    def __init__(self, manifest: Mapping[str, Any], api: Resources, poll: float = _POLL_SECONDS) -> None:
        self.manifest, self.api, self.poll = manifest, api, poll
        self._name = ""

    def body(self, call: Call) -> dict[str, Any]:
        """The manifest of this call. Raises ValueError for a kind that is no job of a stage."""
        body: dict[str, Any] = copy.deepcopy(dict(self.manifest))
        _kind(body).fill(body["spec"], call)
        _set_environment(body["spec"], call.environment())
        body["metadata"]["name"] = name_of(body["metadata"]["name"], call)
        return body

    def run(self, call: Call, log: Callable[[str], None]) -> int:
        body = self.body(call)
        kind, self._name = _kind(body), body["metadata"]["name"]
        log(f"{body['kind']} {self._name}: {kind.command(body['spec'])}")
        self.api.create_custom_object(**self._place(), body=body)
        try:
            return self._followed(body["kind"], log)
        finally:  # also where the API fails: the next try makes the same stage, and must be alone with it
            self.kill()

    def _followed(self, name: str, log: Callable[[str], None]) -> int:
        """The exit code, once there is one."""
        kind, state = _KINDS[name], ""
        while True:
            status = self.api.get_custom_object(**self._place(), name=self._name).get("status") or {}
            if (now := kind.state(status)) != state:
                log(f"{name} {self._name}: {now}")
                state = now
            if (code := kind.exit_code(status)) is not None:
                return code
            time.sleep(self.poll)

    def kill(self) -> None:
        if self._name:
            self.api.delete_custom_object(**self._place(), name=self._name)
            self._name = ""

    def _place(self) -> dict[str, Any]:
        group, version = self.manifest["apiVersion"].split("/")
        namespace = self.manifest["metadata"].get("namespace")
        return {"group": group, "version": version, "plural": _kind(self.manifest).plural, "namespace": namespace}


class _RayJob:
    plural = "rayjobs"

    def fill(self, spec: dict[str, Any], call: Call) -> None:
        assignment = [f"{name}={value}" for name, value in call.environment().items()]
        words = ["env", *assignment, *shlex.split(spec["entrypoint"]), *call.partition_arguments()]
        spec["entrypoint"] = shlex.join(words)
        spec["backoffLimit"] = 0  # the scheduler decides by the exit code

    def command(self, spec: Mapping[str, Any]) -> str:
        return str(spec["entrypoint"])

    def state(self, status: Mapping[str, Any]) -> str:
        states = [status.get("jobDeploymentStatus", ""), status.get("jobStatus", ""), status.get("message", "")]
        return " ".join(filter(None, states)) or "waiting"

    def exit_code(self, status: Mapping[str, Any]) -> int | None:
        if status.get("jobStatus") == "SUCCEEDED":
            return 0
        failed = status.get("jobStatus") in ("FAILED", "STOPPED") or status.get("jobDeploymentStatus") == "Failed"
        return _stated(status.get("message", "")) if failed else None


class _SparkApplication:
    plural = "sparkapplications"

    def fill(self, spec: dict[str, Any], call: Call) -> None:
        spec["arguments"] = [*spec.get("arguments", []), *call.partition_arguments()]
        if not _set_environment(spec.get("driver"), call.environment()):
            named = [{"name": name, "value": value} for name, value in call.environment().items()]
            spec.setdefault("driver", {}).setdefault("env", []).extend(named)
        spec["restartPolicy"] = {"type": "Never"}  # the scheduler decides by the exit code

    def command(self, spec: Mapping[str, Any]) -> str:
        return shlex.join([str(spec.get("mainApplicationFile", "")), *spec["arguments"]])

    def state(self, status: Mapping[str, Any]) -> str:
        now = status.get("applicationState") or {}
        return " ".join(filter(None, [now.get("state", ""), now.get("errorMessage", "")])) or "waiting"

    def exit_code(self, status: Mapping[str, Any]) -> int | None:
        now = status.get("applicationState") or {}
        if now.get("state") == "COMPLETED":
            return 0
        return _stated(now.get("errorMessage", "")) if now.get("state") in ("FAILED", "SUBMISSION_FAILED") else None


_KINDS = {"RayJob": _RayJob(), "SparkApplication": _SparkApplication()}


def manifest_of(documents: Iterable[Any]) -> dict[str, Any]:
    """The job of a stage among the documents of a rendered manifest. Raises ValueError unless there is one."""
    jobs = [one for one in documents if isinstance(one, dict) and one.get("kind") in _KINDS]
    if len(jobs) != 1:
        raise ValueError(f"a stage's manifest holds one {' or '.join(_KINDS)}, not {len(jobs)}")
    return jobs[0]


def _kind(body: Mapping[str, Any]) -> _RayJob | _SparkApplication:
    kind = _KINDS.get(body.get("kind", ""))
    if kind is None:
        raise ValueError(f"a stage runs as a {' or a '.join(_KINDS)}, not as a {body.get('kind')}")
    return kind


def _set_environment(node: Any, values: Mapping[str, str]) -> int:
    """Set variables wherever containers below ``node`` have them; how many that were."""
    if isinstance(node, list):
        return sum(_set_environment(item, values) for item in node)
    if not isinstance(node, dict):
        return 0
    if node.get("name") in values and node.keys() <= {"name", "value"}:
        node["value"] = values[node["name"]]
        return 1
    return sum(_set_environment(item, values) for item in node.values())


def _stated(message: str) -> int:
    """The exit code in an operator's message; 1 where it names none (a lost node, no pods)."""
    code = re.search(r"exit ?code:? (\d+)", message, re.IGNORECASE)
    return int(code.group(1)) if code else 1


def name_of(base: str, call: Call) -> str:
    """A name that Kubernetes takes (40 characters at most), of its own for every run, partition and try."""
    unique = hashlib.sha256("\n".join([call.run, call.stage, call.partition, str(call.attempt)]).encode()).hexdigest()[
        :10
    ]
    return f"{base[:29].rstrip('-')}-{unique}"
