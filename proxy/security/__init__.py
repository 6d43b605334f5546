"""Keys and their owners, checks of hosts and origins, and redaction of secrets."""
