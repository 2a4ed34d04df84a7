"""Models of lists: the inverse, the weights and the scores of EASE."""
