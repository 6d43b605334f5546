"""Both wires as they are spelled: shapes in, shapes out, no decisions."""
