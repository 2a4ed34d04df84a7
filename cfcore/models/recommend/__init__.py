"""Lists of items for users."""
