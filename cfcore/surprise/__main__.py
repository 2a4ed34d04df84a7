"""The command line of scikit-surprise: ``python -m cfcore.surprise``."""

from cfcore.adapters.surprise.__main__ import main

__all__ = [
    "main",
]

if __name__ == "__main__":
    main()
