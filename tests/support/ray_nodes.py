"""Run as a program: a Ray cluster of three nodes on this machine, with a job server; it ends with its standard input.

    python -m support.ray_nodes PORT AGENT-PORT GCS-PORT FOLDER

Each node has processes of its own and one CPU. Prints the nodes' ids as JSON once all are there. The line ``kill`` makes it wait
for a worker of a job on a node other than the head, kill all processes of that node, and print its id.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ray.cluster_utils import Cluster

_NODE: dict[str, Any] = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}
_SECONDS = 240.0
#: As Ray names the class of the engine's workers.
_WORKER = "_Actor"


def start(port: int, agent: int, gcs: int, folder: str) -> Any:
    jobs = {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": port}
    head = {**_NODE, **jobs, "dashboard_agent_listen_port": agent, "gcs_server_port": gcs, "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(**_NODE)
    cluster.wait_for_nodes()
    return cluster


def kill(cluster: Any) -> str:
    """Id of the node that was killed; "" where no worker came in time."""
    nodes = {node.node_id: node for node in cluster.worker_nodes}
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        for actor in cluster.global_state.actor_table(None, None, None).values():
            node = nodes.get(actor["Address"]["NodeID"])
            if node is not None and actor["State"] == "ALIVE" and actor["ActorClassName"] == _WORKER:
                cluster.remove_node(node, allow_graceful=False)
                return str(actor["Address"]["NodeID"])
        time.sleep(0.05)
    return ""


def main() -> None:
    port, agent, gcs, folder = sys.argv[1:]
    cluster = start(int(port), int(agent), int(gcs), folder)
    print(json.dumps([node.node_id for node in cluster.list_all_nodes()]), flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            print(json.dumps(kill(cluster)), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
