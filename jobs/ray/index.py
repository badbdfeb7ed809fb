"""``ray job submit --working-dir . -- python jobs/ray/index.py RECIPE [--workspace W]``: the index stage on a Ray cluster.

Ray's job runner sets RAY_ADDRESS, so the stage joins the cluster it was submitted to.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["index", *sys.argv[1:]])
