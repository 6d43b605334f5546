"""Keys and whose they are, hosts and foreign pages, and what may not be kept."""
