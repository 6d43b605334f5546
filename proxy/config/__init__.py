"""The settings: read, edited, built into rules and keys, and read again when they change."""
