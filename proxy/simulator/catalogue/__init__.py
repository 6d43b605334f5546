"""Models that the simulator serves, and those that it knows to be retired."""
