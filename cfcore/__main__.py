"""``python -m cfcore``: the same as the command ``cfcore``."""

from __future__ import annotations

from cfcore.cli import main

if __name__ == "__main__":
    main()
