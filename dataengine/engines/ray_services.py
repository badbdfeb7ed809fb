"""Long-running processes on Ray beside the workers of a stage, as replicas of model servers are: an actor each."""

from __future__ import annotations

from typing import Any

from dataengine.errors import DataEngineError, RunError
from dataengine.models.serving.service import Service
from dataengine.stage import Resources

_STOP_SECONDS = 30.0
_MOVES = 3
"""How often a service starts anew on another node after it lost its own."""


class _Host:
    """Runs inside an actor process, in two threads."""

    def __init__(self, packed: bytes) -> None:
        import pickle

        self.service: Service = pickle.loads(packed)

    def run(self) -> None:
        import ray

        self.service.run(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        self.service.stop()


class RayService:
    """A service that runs on Ray: a RunningService."""

    def __init__(self, ray: Any, service: Service, resources: Resources) -> None:
        self.ray, self.resources = ray, resources
        how = {"num_cpus": resources.cpus, "num_gpus": resources.gpus or 0, "max_concurrency": 2}
        actor = ray.remote(max_restarts=_MOVES, max_task_retries=_MOVES, **how)(_Host)
        self._actor = actor.remote(ray.cloudpickle.dumps(service))
        self._run = self._actor.run.remote()
        self.stopped = False

    def failure(self) -> str:
        """Why it runs no more; "" while it does, or waits for a free place."""
        if not self.ray.wait([self._run], timeout=0)[0]:
            return ""
        try:
            self.ray.get(self._run)
        except self.ray.exceptions.RayTaskError as error:
            return str(error.cause if isinstance(error.cause, DataEngineError) else error)
        except self.ray.exceptions.RayError as error:
            return f"its process died: {error}"
        return "it was stopped"

    def stop(self) -> None:
        """Ends it, within seconds where it ends by itself."""
        try:
            self._actor.stop.remote()
            self.ray.wait([self._run], timeout=_STOP_SECONDS)
        finally:
            self.ray.kill(self._actor)
            self.stopped = True


def check_room(cluster: dict[str, float], services: list[RayService], resources: Resources) -> None:
    """Raises RunError where the cluster has too little for one more service."""
    for name, each in (("CPU", resources.cpus), ("GPU", resources.gpus or 0.0)):
        held = sum(_amount(one.resources, name) for one in services)
        if each > cluster.get(name, 0) - held:
            raise RunError(
                f"a replica of a model server needs {each:g} {name}, the Ray cluster has {cluster.get(name, 0):g} of which model "
                f"servers hold {held:g}: add nodes, or lower replicas, cpus or gpus of the recipe's model_servers"
            )


def left(cluster: dict[str, float], services: list[RayService]) -> dict[str, float]:
    """What a cluster has beside its services."""
    running = [one for one in services if not one.stopped]
    return {name: amount - sum(_amount(one.resources, name) for one in running) for name, amount in cluster.items()}


def _amount(resources: Resources, name: str) -> float:
    return {"CPU": resources.cpus, "GPU": resources.gpus or 0.0}.get(name, 0.0)
