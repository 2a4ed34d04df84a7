"""Models without factors: the global mean, and biases of users and items."""
