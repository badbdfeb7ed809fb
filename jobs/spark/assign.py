"""``spark-submit jobs/spark/assign.py RECIPE [--workspace W]``: shard assignment with Spark as its table engine.

Uses the session that spark-submit sets up; the rows are those of the DuckDB engine.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["assign", "--engine", "spark", *sys.argv[1:]])
