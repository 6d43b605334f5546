from tests import laws
from tests.parties import home, impatient

__all__ = ["home", "impatient", "laws"]
