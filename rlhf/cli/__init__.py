"""The library without Django: ``python -m rlhf sft|reward|ppo|dpo|generate|evaluate``.

One file for each command; `parser.py` lists them. Nothing here imports torch before a command's work begins, so that
``--help`` and a mistake in a setting answer at once.
"""

from rlhf.cli.main import main

__all__ = ["main"]
