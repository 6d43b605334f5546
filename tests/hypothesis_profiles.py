"""The laws are tried on far more examples than hypothesis would: subtle cuts hide well."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("laws", max_examples=2_000, deadline=None, derandomize="CI" in os.environ)
settings.load_profile("laws")
