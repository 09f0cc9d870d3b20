"""May this be installed? One verb per file: each takes values and callables, and gives values."""
