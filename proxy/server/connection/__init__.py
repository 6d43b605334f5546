"""One client's connection: accepted, read within limits, answered, and closed with care."""
