"""Values only: what the other floors hand to each other. Standard library alone, no I/O, no clock."""
