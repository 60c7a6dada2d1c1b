"""``python -m fr_models.train.cli``."""

from fr_models.train.cli import main

main()
