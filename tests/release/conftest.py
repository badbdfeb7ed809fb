from engine_fixtures import duck, spark

__all__ = ["duck", "spark"]
