"""``python -m fr_models.cli``."""

from fr_models.cli import main

main()
