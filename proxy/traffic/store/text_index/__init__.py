"""An index of the texts in records and kept bodies, which spares a search from reading them all."""
