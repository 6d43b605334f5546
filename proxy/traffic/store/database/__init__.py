"""The database engines under the store: connections, their errors, and who locks a file."""
