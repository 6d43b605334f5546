from tests import laws
from tests.parties import home, impatient
from tests.proxy.peers import anyio_backend, certificate

__all__ = ["anyio_backend", "certificate", "home", "impatient", "laws"]
