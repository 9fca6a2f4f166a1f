"""``python -m rlhf``."""

import sys

from rlhf.cli import main

if __name__ == "__main__":
    sys.exit(main())
