"""``spark-submit jobs/spark/release.py RECIPE [--workspace W]``: the release stage (ledger, balance, statistics) with Spark as
its table engine.

Uses the session that spark-submit sets up; the rows are those of the DuckDB engine.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["release", "--engine", "spark", *sys.argv[1:]])
