from tests import hypothesis_profiles as laws

__all__ = ["laws"]
