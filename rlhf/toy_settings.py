"""What the tiny policy is trained with from nothing, apart from its code so that a web process can read it."""

from rlhf.config import SFTConfig

SFT = SFTConfig(batch_size=32, learning_rate=2e-3, warmup=0.1)
"""One pass over ``SFT_DIALOGUES`` dialogues: every step sees dialogues that are new."""
SFT_DIALOGUES = 12_800
SFT_ON_FILES = SFTConfig(batch_size=16, learning_rate=2e-3, warmup=0.05)
"""On real dialogues, one pass: about 12,000 of up to 500 tokens are what a few minutes on two cores allow."""
VOCABULARY_ON_FILES = 4000
"""A rare word is learnt sooner from its pieces than from a token that a short training sees three times."""
