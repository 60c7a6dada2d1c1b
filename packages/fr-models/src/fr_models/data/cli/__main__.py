"""``python -m fr_models.data.cli``."""

from fr_models.data.cli import main

main()
