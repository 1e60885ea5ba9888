"""``python -m grokverify``."""

import sys

from grokverify.cli import main

if __name__ == "__main__":  # MPI and spawned processes import this module again, to no effect
    sys.exit(main())
