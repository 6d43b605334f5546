from tests.harness import hasty_holdover, holdover

__all__ = ["hasty_holdover", "holdover"]
