"""What the workers of one machine share: notes in a directory, guards, the health of keys."""
