"""Bytes to values and back, purely: no I/O, no clock. What does not parse raises `Malformed` with one finding."""
