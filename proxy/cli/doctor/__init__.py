"""`holdover doctor`: try everything that a server needs, and say what to do where it fails."""
