"""Compressed rows, and ids and ratings from text."""
