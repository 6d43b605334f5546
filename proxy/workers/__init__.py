"""State shared by the workers of one machine: notes in a directory, guards, refused keys."""
