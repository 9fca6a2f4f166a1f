"""What the labelling side tells whoever wants to know; always after the commit."""

from django.dispatch import Signal

prompts_imported = Signal()  # project, count
