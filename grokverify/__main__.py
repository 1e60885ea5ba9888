"""``python -m grokverify``."""

from grokverify.cli import main

raise SystemExit(main())
