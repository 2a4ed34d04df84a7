"""Biases and factors by stochastic gradient descent and least squares."""
