"""One torch thread for each test process: several of them on few cores would wait for each other ten times as long."""

import torch

torch.set_num_threads(1)
