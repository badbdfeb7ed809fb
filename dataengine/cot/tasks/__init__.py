"""The tasks of the five modes; a new task is a class here and a line in ``registry``."""
