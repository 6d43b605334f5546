"""Both wires as the real API spells them."""
