from tests.harness import home, impatient

__all__ = ["home", "impatient"]
