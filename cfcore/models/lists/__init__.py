"""Models for lists: their scores rank items and are no ratings; they predict ratings by simple rules."""
