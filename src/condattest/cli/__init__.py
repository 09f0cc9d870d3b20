"""The command line: parse arguments, call one operation, render. Nothing is decided here."""
