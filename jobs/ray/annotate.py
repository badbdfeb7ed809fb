"""``ray job submit --working-dir . -- python jobs/ray/annotate.py RECIPE [--workspace W]``: the stages that annotate,
on a Ray cluster.

Ray's job runner sets RAY_ADDRESS, so they join the cluster they were submitted to.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["annotate", *sys.argv[1:]])
