"""Models whose scores are for lists, and not ratings."""
