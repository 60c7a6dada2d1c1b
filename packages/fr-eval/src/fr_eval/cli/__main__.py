"""``python -m fr_eval.cli``."""

from fr_eval.cli import main

main()
