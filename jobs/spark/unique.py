"""``spark-submit jobs/spark/unique.py RECIPE [--workspace W]``: one row a distinct sample with Spark as table engine.

Uses the session that spark-submit sets up; what follows are jobs/ray/embed.py and jobs/spark/dedup.py.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["unique", "--engine", "spark", *sys.argv[1:]])
