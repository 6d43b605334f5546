"""Journals: files in which entries wait for the store, written by workers, read by the loader."""
