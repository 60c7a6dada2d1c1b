"""``python -m fr_export.cli``."""

from fr_export.cli import main

main()
