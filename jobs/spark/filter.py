"""``spark-submit jobs/spark/filter.py RECIPE [--workspace W]``: the filter stage with Spark as its table engine.

Uses the session that spark-submit sets up; the rows are those of the DuckDB engine.
"""

import sys

from dataengine.cli.main import command

if __name__ == "__main__":
    command(["filter", "--engine", "spark", *sys.argv[1:]])
