"""How other libraries reach cfcore: a room for each."""
