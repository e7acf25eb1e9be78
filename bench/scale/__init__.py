"""How the system does with a long history: `python -m bench.scale` (see `__main__`)."""
