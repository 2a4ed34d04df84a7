"""Base of all models: hyper-parameters, fitted state, training, lists and files."""
