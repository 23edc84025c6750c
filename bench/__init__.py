"""How fast roverd is, next to the bare library calls on the same bytes: `python -m bench`."""
