"""Models: their names, what they can do, and which there are."""
