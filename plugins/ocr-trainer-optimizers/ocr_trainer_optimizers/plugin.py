"""Descriptions of `lion` and `muon`; importing them does not load torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ocr_trainer.plugin import OptimizerConfig, OptimizerPlugin, option


@dataclass
class LionConfig(OptimizerConfig):
    """Lion (Chen et al. 2023): steps of the same size for all weights, so its learning rate is lower."""

    lr: float = option(2e-4, above=0)
    """Peak learning rate; a third to a tenth of AdamW's."""
    weight_decay: float = option(0.05, at_least=0)
    """Weight decay; three to ten times that of AdamW."""
    beta1: float = option(0.9, at_least=0, below=1)
    """Share of the momentum in a step; the rest is the gradient's."""
    beta2: float = option(0.99, at_least=0, below=1)
    """Decay of the momentum."""


lion = OptimizerPlugin(
    api=1,
    summary="Lion: the sign of the momentum",
    config=LionConfig,
    factory="ocr_trainer_optimizers.lion:make",
)


@dataclass
class MuonConfig(OptimizerConfig):
    """Muon (Jordan et al. 2024) for matrices and convolutions, AdamW for all other parameters."""

    weight_decay: float = option(0.01, at_least=0)
    """Weight decay, decoupled from the gradient."""
    momentum: float = option(0.95, at_least=0, below=1)
    """Momentum of the matrices."""
    match_adamw: bool = True
    """Scale a matrix's step to the size of AdamW's, whose learning rates then fit (Liu et al. 2025). If
    false, scale it as Jordan et al. do; learning rates are then about 0.02."""
    ns_steps: int = option(5, at_least=1, at_most=20)
    """Newton-Schulz iterations that orthogonalize a step."""
    adamw: list[str] = field(default_factory=lambda: ["head"])
    """Parts of the names of output layers, such as `head` of `head.weight`; AdamW optimizes these, too."""
    adamw_scale: float = option(1.0, above=0)
    """Learning rate of AdamW, as a factor of `lr`."""
    beta1: float = option(0.9, at_least=0, below=1)
    """First beta of AdamW."""
    beta2: float = option(0.95, at_least=0, below=1)
    """Second beta of AdamW."""


muon = OptimizerPlugin(
    api=1,
    summary="Muon: orthogonalized momentum for matrices and convolutions, AdamW for the rest",
    config=MuonConfig,
    factory="ocr_trainer_optimizers.muon:make",
)
