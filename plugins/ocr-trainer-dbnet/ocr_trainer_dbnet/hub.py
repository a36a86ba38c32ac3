"""Weights from the Hugging Face hub; the package that fetches them is imported only for that."""

from __future__ import annotations

from pathlib import Path

from ocr_trainer.errors import CheckpointError

FILE = "model.safetensors"


def fetch(repository: str) -> Path:
    """Return where the weights of a repository lie, such as `timm/resnet18.tv_in1k`; fetched once, then kept.

    Raises:
        CheckpointError: They are not to be had: no package, no network, no such repository, no such file.
    """
    told = f"model.backbone.weights={repository}"
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
            f"{told} lies on the Hugging Face hub, which needs a package that is not installed\n"
            "  pip install 'ocr-trainer-dbnet[hub]'"
        ) from error
    try:
        return Path(hf_hub_download(repository, FILE))
    except RepositoryNotFoundError as error:
        reason, cause = "the hub has no such repository, or it is private; nor is there such a file", error
    except LocalEntryNotFoundError as error:
        reason, cause = "the hub cannot be reached, and the weights were not fetched before", error
    except EntryNotFoundError as error:
        reason, cause = f"the repository holds no {FILE}", error
    except HFValidationError as error:
        reason, cause = "this is no name of a repository", error
    except (HfHubHTTPError, OSError) as error:
        reason, cause = f"it could not be fetched: {str(error).splitlines()[0]}", error
    raise CheckpointError(f"{told}: {reason}") from cause
