"""Lists of the best items."""
