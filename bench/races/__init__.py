"""Races of the product against TRL and transformers: one process a side, steps in turn."""
