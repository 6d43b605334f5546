"""Files in which records wait for the store: written by workers, emptied by the loader."""
