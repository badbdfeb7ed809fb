"""``ray job submit --working-dir . -- python jobs/ray/cot.py RECIPE [--workspace W]``: the cot stage on a Ray cluster.

Ray's job runner sets RAY_ADDRESS, so the stage joins the cluster it was submitted to.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["cot", *sys.argv[1:]])
