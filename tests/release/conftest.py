from engine_fixtures import duck, spark
from small_release import copy, small, workspace

__all__ = ["copy", "duck", "small", "spark", "workspace"]
