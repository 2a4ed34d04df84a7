"""The mean of all ratings, and biases."""
