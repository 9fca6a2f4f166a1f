"""What the labelling side tells whoever wants to know."""

from django.dispatch import Signal

prompts_imported = Signal()  # project, count; after the commit
prompt_template_chosen = Signal()  # project, template; a receiver refuses it by InvalidInput
base_model_chosen = Signal()  # project, name; before anything is written, and a receiver refuses it by InvalidInput
