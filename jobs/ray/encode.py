"""``ray job submit --working-dir . -- python jobs/ray/encode.py RECIPE [--workspace W]``: the tokenize stage on a Ray cluster.

Not called tokenize.py: that would hide the standard library's module of this name. Ray's job runner sets RAY_ADDRESS, so the
stage joins the cluster it was submitted to.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["tokenize", *sys.argv[1:]])
