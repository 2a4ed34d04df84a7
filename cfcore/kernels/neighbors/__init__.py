"""Similarities and neighbourhood predictions."""
