"""Supervised fine-tuning, reward models, PPO and DPO on rankings; no Django, no Celery."""

import logging

# bitsandbytes asks, at every start on a CPU, for a package that only its 4-bit kernels would use.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
