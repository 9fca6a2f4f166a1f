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
_NO_NAME = "{!r} is neither a folder here nor a name that the hub allows"
_NO_SAFETENSORS = "{} has no safetensors weights on the hub; pickled weights are never loaded"
_PATTERNS = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model")


class HubSilent(ModelError):  # noqa: N818 - says what is wrong already
    """The hub could not be asked: switched off, or no answer in time."""


def model_folder(source: str | Path) -> Path:
    """The folder holding ``source``'s files: itself, the hub cache's copy, or a fresh download.

    Raises ModelError where there is no such folder or repository, no network, or no safetensors.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _with_safetensors(folder)
    if _is_path(source):
        raise ModelError(f"there is no folder {folder}")
    cached = _cached(str(source))
    return _with_safetensors(cached if cached is not None else _downloaded(str(source)))


def name_check(source: str) -> None:
    """Raise ModelError when ``source`` is neither a folder that is there nor a name a hub could have. Asks nobody."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but not in __all__

    try:
        if Path(source).expanduser().is_dir():
            return
        if _is_path(source):
            raise ModelError(f"there is no folder {source}")
        validate_repo_id(source)
    except (OSError, RuntimeError) as error:  # too long for a file system; ~ of somebody unknown
        raise ModelError(f"{source} is no folder here: {error}") from error
    except HFValidationError as error:
        raise ModelError(_NO_NAME.format(source)) from error


def model_check(source: str) -> None:
    """`name_check`, and ModelError for a folder without safetensors and for a name that the hub does not have.

    Nothing is downloaded, and a hub that cannot be asked says nothing.
    """
    name_check(source)
    if Path(source).expanduser().is_dir():
        model_folder(source)
    elif _cached(source) is None:
        try:
            found = _has_safetensors_on_hub(source)
        except HubSilent:
            return
        if not found:
            raise ModelError(_NO_SAFETENSORS.format(source))


def available(name: str) -> bool:
    """True when `model_folder` would find ``name`` in the cache or on the hub, asked once a process."""
    try:
        return _cached(name) is not None or _has_safetensors_on_hub(name)
    except ModelError:
        return False


def _is_path(source: str | Path) -> bool:
    return isinstance(source, Path) or source.startswith(("/", ".", "~")) or source.count("/") > 1


def _with_safetensors(folder: Path) -> Path:
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} holds no *.safetensors; pickled weights are never loaded: save the model with "
            "save_pretrained() and use that folder"
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
        raise ModelError(_NO_NAME.format(name)) from error
    return folder if any(folder.glob("*.safetensors")) else None


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download

    if not _has_safetensors_on_hub(name):
        raise ModelError(_NO_SAFETENSORS.format(name))
    try:
        return Path(snapshot_download(name, allow_patterns=list(_PATTERNS)))
    except (OSError, ValueError) as error:
        raise ModelError(f"the download of {name} failed: {error}") from error


@cache
def _has_safetensors_on_hub(name: str) -> bool:
    """Raises ModelError when the hub knows no such model, HubSilent when it does not answer in time."""
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if constants.HF_HUB_OFFLINE or os.environ.get("TRANSFORMERS_OFFLINE", "") in {"1", "true", "True"}:
        raise HubSilent(f"{name} is not in the local cache, and the hub is switched off (HF_HUB_OFFLINE)")
    try:
        files = HfApi().model_info(name, timeout=ANSWER_SECONDS).siblings or []
    except HfHubHTTPError as error:
        raise ModelError(f"the hub knows no model {name}, or does not give it out: {error}") from error
    except (httpx2.HTTPError, OSError, OfflineModeIsEnabled) as error:
        raise HubSilent(f"{name} is not in the local cache, and the hub cannot be reached: {error}") from error
    return any(file.rfilename.endswith(".safetensors") for file in files)
