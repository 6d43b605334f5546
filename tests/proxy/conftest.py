from tests.harness import hasty_holdover, holdover
from tests.scripted_server import anyio_backend, certificate

__all__ = ["anyio_backend", "certificate", "hasty_holdover", "holdover"]
