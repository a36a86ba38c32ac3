"""Load the published weights, which are ONNX files, into the networks; account for every tensor.

In the files, batch normalization is folded into most convolutions: what is left of it is a bias. It becomes a
batch normalization that adds this bias and changes nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ocr_trainer.errors import CheckpointError
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork

NORM = ("weight", "bias", "running_mean", "running_var")
"""The tensors of a batch normalization, in ONNX's order."""


def state_from(file: OnnxNetwork, network: nn.Module, structure: str) -> dict[str, Tensor]:
    """Return the state of a network with the weights of an ONNX file.

    Args:
        file: The content of the file.
        network: Defines its layers in the order in which they run, which is that of the file's graph. Only
            the shapes of its tensors matter, so it may be on torch's device `meta`.
        structure: The `structure` of such files.

    Returns:
        The tensors of the network's state_dict by name, all but the counters of batch normalizations.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape, or the graph is another one.
    """
    given = deque(file.weights.items())
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        for key, value in _tensors(module, given):
            wanted = tuple(getattr(module, key).shape)
            if value is None:
                raise CheckpointError(f"it has no tensor for {name}.{key} {wanted}")
            source, array = value
            if array.shape != wanted:
                raise CheckpointError(f"its tensor {source} {array.shape} does not fit {name}.{key} {wanted}")
            state[f"{name}.{key}"] = torch.from_numpy(np.ascontiguousarray(array))
    if given:
        names = ", ".join(source for source, _ in given)
        raise CheckpointError(f"it has {len(given)} tensors that this network does not have: {names[:200]}")
    if file.structure != structure:
        raise CheckpointError("its tensors fit, but its graph is another one")
    return state


Named = tuple[str, np.ndarray]
"""A tensor of a file and its name there."""


def _tensors(module: nn.Module, given: deque[Named]) -> Iterator[tuple[str, Named | None]]:
    """Take the tensors of a layer from those that are left; yield each with its key, or None if missing."""
    if isinstance(module, nn.BatchNorm2d) and given and given[0][1].ndim == 4:
        name, bias = given.popleft()
        yield from ((key, (name, value)) for key, value in _adding(_vector(bias), module.eps).items())
        return
    own = [key for key, _ in module.named_parameters(recurse=False)]
    for key in NORM if isinstance(module, nn.BatchNorm2d) else own:
        if not given:
            yield key, None
            continue
        name, array = given.popleft()
        if isinstance(module, nn.Linear):
            array = array.T  # ONNX multiplies from the left
        yield key, (name, _vector(array) if key == "bias" else array)


def _adding(bias: np.ndarray, eps: float) -> dict[str, np.ndarray]:
    """Return the tensors of a batch normalization that only adds a bias."""
    one = np.ones_like(bias)
    # It divides by the square root of the variance plus eps.
    return dict(zip(NORM, (one, bias, 0 * one, one - np.float32(eps)), strict=True))


def _vector(bias: np.ndarray) -> np.ndarray:
    """Return a bias as a vector; in the files, that of a convolution is (1, channels, 1, 1)."""
    return bias.reshape(-1) if bias.shape == (1, bias.size, 1, 1) else bias
