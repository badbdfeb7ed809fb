"""``ray job submit --working-dir . -- python jobs/ray/sequence.py RECIPE [--workspace W]``: the sequence stage on a Ray cluster.

Ray's job runner sets RAY_ADDRESS, so the stage joins the cluster it was submitted to.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["sequence", *sys.argv[1:]])
