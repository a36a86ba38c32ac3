"""Contract suite for backbones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Config, Kind
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from ocr_trainer.tasks.detection import Backbone


class BackboneSuite(PluginSuite):
    """The contract of a backbone: feature maps at strides 4, 8, 16 and 32 of images of any size.

    The run is that of the default model, which must be installed; `overrides` may choose another.
    """

    kind: ClassVar[Kind] = Kind.backbone

    def config(self, run: RunConfig) -> Config:
        """Return the options of the backbone in the model's."""
        config: Config = run.model.backbone  # type: ignore[attr-defined]
        return config

    def backbone(self, folder: Path, seed: int = 0) -> Backbone:
        """Build the backbone with random weights from a seed."""
        import torch

        from ocr_trainer.tasks.detection import Backbone

        torch.manual_seed(seed)
        backbone = self.build(self.context(folder))
        wanted = "ocr_trainer.tasks.detection.Backbone"
        assert isinstance(backbone, Backbone), (
            f"the factory must return a {wanted}, not {type(backbone).__name__}"
        )
        return backbone

    def test_its_feature_maps_have_four_strides(self, tmp_path: Path) -> None:
        """It takes images of any size, for training in crops and for scoring whole pages."""
        import torch

        from ocr_trainer.tasks.detection.backbone import STRIDES

        backbone = self.backbone(tmp_path)
        assert len(backbone.channels) == len(STRIDES), (
            f"channels must have four numbers, not {backbone.channels!r}"
        )
        for training, size in ((True, (2, 64, 96)), (False, (1, 32, 32)), (False, (1, 160, 64))):
            images = torch.rand(size[0], 3, *size[1:]).contiguous(memory_format=torch.channels_last)
            maps = backbone.train(training)(images)
            shapes = [tuple(feature.shape) for feature in maps]
            wanted = [
                (size[0], channels, size[1] // stride, size[2] // stride)
                for channels, stride in zip(backbone.channels, STRIDES, strict=True)
            ]
            assert shapes == wanted, f"from images of {size}, the shapes must be {wanted}, not {shapes}"

    def test_gradients_reach_every_weight(self, tmp_path: Path) -> None:
        """Distributed training fails on parameters without a gradient."""
        import torch

        backbone = self.backbone(tmp_path).train()
        sum(feature.square().sum() for feature in backbone(torch.rand(2, 3, 64, 96))).backward()
        missing = [
            name for name, value in backbone.named_parameters() if value.requires_grad and value.grad is None
        ]
        assert not missing, f"these weights have no gradient; set requires_grad=False: {', '.join(missing)}"

    def test_its_state_dict_is_its_whole_state(self, tmp_path: Path) -> None:
        """A checkpoint restores it: another instance with the same state gives the same features."""
        import torch

        backbone, other = self.backbone(tmp_path), self.backbone(tmp_path, seed=1)
        images = torch.rand(2, 3, 64, 96)
        backbone.train()(images)  # updates running statistics, which must be in the state_dict, too
        file = io.BytesIO()
        torch.save(backbone.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        with torch.inference_mode():
            features, again, loaded = backbone.eval()(images), backbone(images), other.eval()(images)
        assert all(map(torch.equal, features, again)), (
            "in evaluation mode, the same images must give the same features"
        )
        assert all(map(torch.equal, features, loaded)), (
            "with the same state_dict, another instance must give the same features"
        )

    def test_its_statistics_fit_pixels(self, tmp_path: Path) -> None:
        """The model normalizes images with `mean` and `std`, which refer to pixels from 0 to 255."""
        backbone = self.backbone(tmp_path)
        mean, std = tuple(backbone.mean), tuple(backbone.std)
        assert len(mean) == len(std) == 3, f"mean and std must have three numbers each: {mean}, {std}"
        assert all(0 <= value <= 255 for value in mean), f"mean must be from 0 to 255, not {mean}"
        assert all(1 < value <= 255 for value in std), f"std must be above 1, not {std}"

    def test_its_weights_load_from_a_file(self, tmp_path: Path) -> None:
        """`model.backbone.weights=FILE` loads what a state_dict of `network` holds."""
        import torch

        from ocr_trainer.checkpoint.pretrained import load_pretrained

        saved, fresh = self.backbone(tmp_path), self.backbone(tmp_path, seed=1)
        torch.save(saved.network.state_dict(), tmp_path / "weights.pth")
        load_pretrained(fresh.network, str(tmp_path / "weights.pth"))
        equal = map(torch.equal, saved.state_dict().values(), fresh.state_dict().values())
        assert all(equal), "`network` must be the module with all weights of the backbone"
