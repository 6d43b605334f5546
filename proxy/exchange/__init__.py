"""One completion request, from its headers to its record."""
