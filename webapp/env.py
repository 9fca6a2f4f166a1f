"""Where settings come from: the environment, and a data folder that is made on first use."""

import os
import secrets
import time
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The git-ignored folder of everything that is not code (``KEDGE_DATA``, default ``var/``)."""
    folder = Path(os.environ.get("KEDGE_DATA") or BASE_DIR / "var").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def secret_key(folder: Path) -> str:
    """``SECRET_KEY``, else the key made once in the data folder, readable by its owner only."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    path = folder / "secret_key"
    try:
        # O_EXCL: of several processes that start together, one makes the key and the rest read it.
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    for _ in range(100):
        if key := path.read_text().strip():
            return key
        time.sleep(0.01)
    raise RuntimeError(f"{path} is empty: delete it, and a new key is made at the next start.")
