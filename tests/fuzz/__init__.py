"""Mutated records into every decoder and into the segment engine: `python -m tests.fuzz`, or `make fuzz`."""
