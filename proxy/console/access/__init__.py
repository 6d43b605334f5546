"""Access to the console: sessions, signing in, and forms that only its own pages can send."""
