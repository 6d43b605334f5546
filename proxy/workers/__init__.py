"""State that the workers of one machine share: notes in a directory, guards, refused keys."""
