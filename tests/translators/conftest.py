from tests import laws

__all__ = ["laws"]
