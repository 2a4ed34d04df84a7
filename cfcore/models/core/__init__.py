"""What every model does the same way."""
