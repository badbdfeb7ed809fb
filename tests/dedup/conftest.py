from engine_fixtures import duck

__all__ = ["duck"]
