"""Download weights from the Hugging Face hub; huggingface_hub is imported only when it is needed."""

from __future__ import annotations

from pathlib import Path

from ocr_trainer.errors import CheckpointError

FILE = "model.safetensors"
"""The only file that is downloaded: safetensors hold no code."""


def fetch(repository: str) -> Path:
    """Download the weights of a repository, unless the hub's cache has them, and return their path.

    Args:
        repository: OWNER/NAME, such as `timm/resnet18.tv_in1k`.

    Raises:
        CheckpointError: The package, the network, the repository or the file is missing.
    """
    option = f"model.backbone.weights={repository}"
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError as error:
        raise CheckpointError(
            f"{option} is on the Hugging Face hub, which needs a package that is not installed\n"
            "  pip install 'ocr-trainer[hub]'"
        ) from error
    cause: Exception
    # From the special to the general: a LocalEntryNotFoundError is an EntryNotFoundError, and the last clause
    # catches base classes of those above it.
    try:
        return Path(hf_hub_download(repository, FILE))
    except RepositoryNotFoundError as error:
        reason, cause = "no such local file, and the hub has no such repository, or it is private", error
    except LocalEntryNotFoundError as error:
        reason, cause = "the hub cannot be reached, and the weights are not in its local cache", error
    except EntryNotFoundError as error:
        reason, cause = f"the repository has no {FILE}", error
    except HFValidationError as error:
        reason, cause = "this is not a valid repository name", error
    except (HfHubHTTPError, OSError) as error:
        reason, cause = f"the download failed: {str(error).splitlines()[0]}", error
    raise CheckpointError(f"{option}: {reason}") from cause
