"""The child process of the profanity proxy: JSON lines in, JSON lines out.

It alone unpickles the classifier that ships in alt-profanity-check, with an environment that holds
no secret. It imports nothing of this project and no torch. It is run by path with ``-P``, since
this folder's `statistics.py` and `types.py` would hide the standard library's.

First line out: {"version": …}. Then for each line {"texts": […]} one line {"scores": […]}.
"""

import json
import os
import signal
import sys
import threading
import time
from importlib.metadata import version


def _leave_with(parent: int) -> None:
    """End when the parent is gone: a killed parent's pipe stays open in whatever it forked."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C goes to the whole group; the parent closes us
    threading.Thread(target=_leave_with, args=(int(sys.argv[1]),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not look like an answer

    from profanity_check import predict_prob

    names = ("alt-profanity-check", "scikit-learn")
    print(json.dumps({"version": ", ".join(f"{name} {version(name)}" for name in names)}), file=answers, flush=True)
    for line in sys.stdin:
        scores = [float(score) for score in predict_prob(json.loads(line)["texts"])]
        print(json.dumps({"scores": scores}), file=answers, flush=True)


if __name__ == "__main__":
    main()
