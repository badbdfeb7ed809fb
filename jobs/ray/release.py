"""``ray job submit --working-dir . -- python jobs/ray/release.py RECIPE [--workspace W]``: the release stage on a Ray cluster.

Ray's job runner sets RAY_ADDRESS, so the stage joins the cluster it was submitted to.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["release", *sys.argv[1:]])
