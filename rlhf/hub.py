"""A model's folder on this disk, from a folder's path or a name on the hub.

The cache is asked first, without the network: transformers' own `local_files_only` still retries
some requests for half a minute where no name server answers. Only safetensors weights are fetched,
so nothing is ever unpickled.
"""

import os
from functools import cache
from pathlib import Path

from rlhf.exceptions import ModelError

ANSWER_SECONDS = 3.0  # how long the hub may take to say what a repository holds
_PATTERNS = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model")


def model_folder(source: str | Path) -> Path:
    """The folder holding ``source``'s files: itself, the hub cache's copy, or a fresh download.

    Raises ModelError where there is no such folder or repository, no network, or no safetensors.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _with_safetensors(folder)
    if isinstance(source, Path) or str(source).startswith(("/", ".", "~")) or str(source).count("/") > 1:
        raise ModelError(f"there is no folder {folder}")
    cached = _cached(str(source))
    return _with_safetensors(cached if cached is not None else _downloaded(str(source)))


def available(name: str) -> bool:
    """True when `model_folder` would find ``name`` in the cache or on the hub, asked once a process."""
    try:
        return _cached(name) is not None or _has_safetensors_on_hub(name)
    except ModelError:
        return False


def _with_safetensors(folder: Path) -> Path:
    if not any(folder.glob("*.safetensors")):
        found = sorted(path.name for path in folder.iterdir())[:8]
        raise ModelError(
            f"{folder} holds no *.safetensors (found: {', '.join(found) or 'nothing'}); pickled weights are never "
            "loaded: save the model with save_pretrained() and use that folder"
        )
    return folder


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"{name!r} is neither a folder nor a name on the hub: {error}") from error
    return folder if any(folder.glob("*.safetensors")) else None


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download

    if not _has_safetensors_on_hub(name):
        raise ModelError(f"{name} has no safetensors weights on the hub; pickled weights are never loaded")
    try:
        return Path(snapshot_download(name, allow_patterns=list(_PATTERNS)))
    except (OSError, ValueError) as error:
        raise ModelError(f"the download of {name} failed: {error}") from error


@cache
def _has_safetensors_on_hub(name: str) -> bool:
    """Raises ModelError when the hub does not answer in time or knows no such model."""
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if constants.HF_HUB_OFFLINE or os.environ.get("TRANSFORMERS_OFFLINE", "") in {"1", "true", "True"}:
        raise ModelError(f"{name} is not in the local cache, and the hub is switched off (HF_HUB_OFFLINE)")
    try:
        files = HfApi().model_info(name, timeout=ANSWER_SECONDS).siblings or []
    except HfHubHTTPError as error:
        raise ModelError(f"the hub knows no model {name}, or does not give it out: {error}") from error
    except (httpx2.HTTPError, OSError, OfflineModeIsEnabled) as error:
        raise ModelError(f"{name} is not in the local cache, and the hub cannot be reached: {error}") from error
    return any(file.rfilename.endswith(".safetensors") for file in files)
