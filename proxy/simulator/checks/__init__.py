"""Checks requests as the real API does, and answers its recorded errors."""
