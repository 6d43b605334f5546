from tests.harness import home, impatient
from tests.scripted_server import anyio_backend, certificate

__all__ = ["anyio_backend", "certificate", "home", "impatient"]
