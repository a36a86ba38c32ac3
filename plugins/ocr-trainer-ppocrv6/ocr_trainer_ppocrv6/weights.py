"""Load the published weights, which are ONNX files, into the networks, and account for every tensor.

In the files, batch normalization is folded into most convolutions, and only a bias is left. This module turns
the bias into a batch normalization again, which adds it and scales the channels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ocr_trainer.errors import CheckpointError
from ocr_trainer_ppocrv6.backbone import Block
from ocr_trainer_ppocrv6.layers import ConvNorm, TransposedConvNorm
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork

NORM = ("weight", "bias", "running_mean", "running_var")
"""The tensors of a batch normalization, in ONNX's order."""
LEAST_SCALE = 1e-3
"""Smallest scale of a channel; some kernels are 0."""
STEADY_SIZE = 10.0
"""Size of the last kernels of a block, relative to the others. Their hundreds of inputs are mostly positive,
so steps in the same direction add up to a shift. A step changes larger kernels relatively less."""


def state_from(file: OnnxNetwork, network: nn.Module, structure: str) -> dict[str, Tensor]:
    """Return the state of a network with the weights of an ONNX file.

    Args:
        file: The content of the file.
        network: A network that defines its layers in the order in which they run, as in the file's graph.
            Only the shapes of its tensors matter, so it may be on torch's device `meta`.
        structure: The `OnnxNetwork.structure` of files with this network.

    Returns:
        The tensors of the network's state_dict by name, except the counters of batch normalizations.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape, or the graph differs.
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
        raise CheckpointError("its tensors fit, but its graph differs")
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    steadied = {block.narrow for block in blocks}
    for name, module in network.named_modules():
        # Normalizations with a mean other than 0 are not folded.
        if isinstance(module, ConvNorm | TransposedConvNorm) and not state[f"{name}.norm.running_mean"].any():
            size = STEADY_SIZE if module in steadied else 1.0
            _move_scale(state, name, int(isinstance(module, TransposedConvNorm)), size)
    return state


Named = tuple[str, np.ndarray]
"""A tensor of a file and its name there."""


def _tensors(module: nn.Module, given: deque[Named]) -> Iterator[tuple[str, Named | None]]:
    """Take the tensors of a layer from the remaining ones; yield each with its key, or None if missing."""
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


def _move_scale(state: dict[str, Tensor], name: str, axis: int, size: float) -> None:
    """Move the scale of each channel's kernel into the normalization after it; the output stays the same.

    The sizes of folded kernels differ by orders of magnitude. Optimizers such as Adam change every weight by
    about the same amount, which would destroy small kernels.

    Args:
        state: The tensors to change.
        name: The name of the convolution and its normalization.
        axis: The axis of the kernels for the output channels.
        size: The size of the new kernels, as a multiple of the size of random ones (He et al., ICCV 2015).
    """
    kernels = state[f"{name}.conv.weight"].movedim(axis, 0)
    rows = kernels.flatten(1)
    scale = (rows.square().mean(1) * rows.shape[1] / 2).sqrt().clamp(min=LEAST_SCALE) / size
    state[f"{name}.conv.weight"] = (kernels / scale.view(-1, 1, 1, 1)).movedim(0, axis)
    state[f"{name}.norm.weight"] = state[f"{name}.norm.weight"] * scale


def _vector(bias: np.ndarray) -> np.ndarray:
    """Return a bias as a vector; in the files, that of a convolution is (1, channels, 1, 1)."""
    return bias.reshape(-1) if bias.shape == (1, bias.size, 1, 1) else bias
