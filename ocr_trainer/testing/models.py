"""Contract suite for text detectors."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_trainer.plugin import Kind
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from torch import Tensor

    from ocr_trainer.data.types import Batch, Detections, Sample
    from ocr_trainer.tasks.detection.detector import Detector


class ModelSuite(PluginSuite):
    """The contract of a text detector: all calls in training, evaluation and loading of checkpoints."""

    kind: ClassVar[Kind] = Kind.model

    steps: ClassVar[int] = 64
    """Number of Adam steps within which the model must overfit one image."""
    lr: ClassVar[float] = 1e-3
    """Learning rate of these steps."""

    def model(self, folder: Path, seed: int = 0) -> Detector:
        """Build the model with random weights from a seed."""
        import torch

        from ocr_trainer.tasks.detection.detector import Detector

        torch.manual_seed(seed)
        model = self.build(self.context(folder))
        wanted = "ocr_trainer.tasks.detection.Detector"
        assert isinstance(model, Detector), f"the factory must return a {wanted}, not {type(model).__name__}"
        return model

    def test_it_is_a_detector(self, tmp_path: Path) -> None:
        """It has a stride and trainable parameters."""
        model = self.model(tmp_path)
        assert model.stride in range(1, 4096), f"stride must be a number of pixels, not {model.stride!r}"
        assert any(p.requires_grad for p in model.parameters()), "it must have trainable parameters"

    def test_its_architecture_names_what_changes_its_tensors(self, tmp_path: Path) -> None:
        """`init_from` takes the options that decide the tensors from a checkpoint."""
        from ocr_trainer.testing.architecture import check_architecture

        check_architecture(self, tmp_path)

    def test_scale_takes_any_size(self, tmp_path: Path) -> None:
        """Very small, large and long images can be evaluated."""
        model = self.model(tmp_path)
        for height, width in ((1, 1), (480, 640), (1, 5000), (5000, 1), (20000, 20000)):
            scale = model.scale(height, width)
            assert 0 < scale < math.inf, f"scale({height}, {width}) must be above 0, not {scale}"

    def test_targets_of_all_samples_stack(self, tmp_path: Path) -> None:
        """Targets have the same shapes and dtypes for all samples that augmentation may produce."""
        import numpy as np

        from ocr_trainer.testing.samples import edge_cases

        model = self.model(tmp_path)
        for height, width in ((2, 3), (3, 2)):
            layouts = {}
            for name, sample in edge_cases(height * model.stride, width * model.stride).items():
                targets = model.encode(sample)
                for key, value in targets.items():
                    assert isinstance(value, np.ndarray), (
                        f"encode must return NumPy arrays, not {type(value)} for {key!r}"
                    )
                    assert np.isfinite(value).all(), f"with {name}, the target {key!r} is not finite"
                layouts[name] = {key: (value.shape, str(value.dtype)) for key, value in targets.items()}
            for name, layout in layouts.items():
                assert layout == layouts["text"], (
                    f"with {name}, targets must have the same shapes and dtypes as with other samples:"
                    f" {layout}, not {layouts['text']}"
                )

    def test_encode_depends_on_the_sample_only(self, tmp_path: Path) -> None:
        """`encode` does not modify the sample, and works in a worker process, which gets a pickled model."""
        from ocr_trainer.testing.datasets import equal
        from ocr_trainer.testing.samples import page

        model = self.model(tmp_path)
        sample = page(2 * model.stride, 3 * model.stride)
        before = copy.deepcopy(sample)
        targets = model.encode(sample)
        assert equal(sample, before), "encode must not modify the sample"
        assert equal_dicts(model.encode(sample), targets), (
            "encode must return the same targets for the same sample"
        )
        try:
            from_copy = pickle.loads(pickle.dumps(model)).encode(sample)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise AssertionError(
                f"the model must be picklable, as worker processes get a copy: {error}"
            ) from error
        assert equal_dicts(from_copy, targets), "in a worker process, encode must return the same targets"

    def test_loss_is_finite_and_reaches_every_weight(self, tmp_path: Path) -> None:
        """Training continues with any batch, even one without text."""
        import torch

        from ocr_trainer.testing.samples import edge_cases

        model = self.model(tmp_path).train()
        samples = edge_cases(2 * model.stride, 3 * model.stride)
        batches = {name: [samples[name]] * 2 for name in ("text", "no text", "only ignored text")}
        for name, chosen in {**batches, "all sorts of text": list(samples.values())[2:]}.items():
            model.zero_grad()
            parts = model.loss(model(_batch(model, chosen).images), _batch(model, chosen).targets)
            assert parts, "loss must return at least one part"
            check_figures(parts)
            for key, value in parts.items():
                assert value.ndim == 0, (
                    f"the part {key!r} of the loss must be a scalar, not of shape {tuple(value.shape)}"
                )
                assert torch.isfinite(value), (
                    f"in a batch with {name}, the part {key!r} of the loss is {value.item()}"
                )
            torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
            for key, parameter in model.named_parameters():
                if parameter.requires_grad:
                    assert parameter.grad is not None, (
                        f"in a batch with {name}, the loss must reach {key}: distributed training waits for"
                        " its gradient (freeze parameters that are not trained: requires_grad=False)"
                    )
                    assert torch.isfinite(parameter.grad).all(), (
                        f"in a batch with {name}, {key} has no finite gradient"
                    )

    def test_it_takes_images_of_any_size(self, tmp_path: Path) -> None:
        """It accepts any multiple of the stride, in training and evaluation, and does not modify images."""
        import torch

        model = self.model(tmp_path)
        for height, width in ((2, 3), (4, 1), (1, 4), (2, 2)):
            images = torch.randint(
                256, (2, 3, height * model.stride, width * model.stride), dtype=torch.uint8
            )
            before = images.clone()
            model.train()(images)
            with torch.inference_mode():
                outputs = model.eval()(images)
                assert torch.equal(images, before), "forward must not modify the images"
                assert isinstance(outputs, dict), (
                    f"forward must return a dict of tensors, not {type(outputs).__name__}"
                )
                sizes = [(height * model.stride, width * model.stride), (1, width * model.stride - 1)]
                _assert_detections(model.decode(outputs, sizes), sizes)

    def test_it_overfits_one_image(self, tmp_path: Path) -> None:
        """Targets, loss and decoding agree on where text is, and no text is detected in the padding."""
        import torch

        from ocr_trainer.testing.samples import page

        model = self.model(tmp_path)
        height, width = 2 * model.stride, 3 * model.stride
        batch = _batch(model, [page(height, width)])
        optimizer = torch.optim.Adam(model.parameters(), lr=self.lr)
        for step in range(1, self.steps + 1):
            parts = model.train().loss(model(batch.images), batch.targets)
            optimizer.zero_grad()
            torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if (step % 8 == 0 or step == self.steps) and _finds(model, batch.images, page(height, width)):
                break
        else:
            raise AssertionError(
                f"after {self.steps} steps on one image, it must detect the one text of that image, with an"
                " IoU above 0.5. Do encode and decode use the same pixel coordinates? If the model only"
                " learns slowly, set `steps` or `lr` of the suite"
            )
        sizes = [(height, 3 * width // 4)]
        with torch.inference_mode():
            _assert_detections(model.decode(model.eval()(batch.images), sizes), sizes)

    def test_a_checkpoint_gives_the_same_outputs(self, tmp_path: Path) -> None:
        """The state_dict determines the outputs, and evaluation is deterministic."""
        import torch

        model, other = self.model(tmp_path), self.model(tmp_path, seed=1)
        images = torch.randint(256, (2, 3, 2 * model.stride, 3 * model.stride), dtype=torch.uint8)
        model.train()(images)  # updates running statistics, which must be in the state_dict, too
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        with torch.inference_mode():
            outputs, again, loaded = model.eval()(images), model(images), other.eval()(images)
        assert equal_dicts(outputs, again), "in evaluation mode, the same images must give the same outputs"
        assert equal_dicts(outputs, loaded), (
            "with the same state_dict, another instance must give the same outputs"
        )


def _batch(model: Detector, samples: Sequence[Sample]) -> Batch:
    from ocr_trainer.tasks.detection.data import Encoded, collate_training

    return collate_training([Encoded(sample.image, model.encode(sample)) for sample in samples])


def equal_dicts(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two dicts of arrays or tensors are equal."""
    return one.keys() == other.keys() and all(bool((one[key] == other[key]).all()) for key in one)


def check_figures(parts: dict[str, Tensor]) -> None:
    """Check what a model logs beside the parts of its loss."""
    import torch

    from ocr_trainer.tasks.base import LOGGED

    for name, value in getattr(parts, "figures", {}).items():
        taken = name in parts or name in LOGGED
        assert not taken, f"the figure {name!r} must have a name of its own"
        assert torch.as_tensor(value).numel() == 1, f"the figure {name!r} must be one number"


def _finds(model: Detector, images: Tensor, truth: Sample) -> bool:
    import torch

    from ocr_trainer.metrics.icdar import match

    with torch.inference_mode():
        (found,) = model.eval().decode(model(images), [truth.image.shape[:2]])
    return match(truth.polygons, truth.ignore, found.polygons).hmean == 1


def _assert_detections(detections: list[Detections], sizes: list[tuple[int, int]]) -> None:
    """Check the result of `decode` for images of the given (height, width)."""
    import numpy as np

    assert len(detections) == len(sizes), f"decode must return one Detections per image: {len(sizes)}"
    for found, (height, width) in zip(detections, sizes, strict=True):
        scores = np.asarray(found.scores)
        assert scores.shape == (len(found.polygons),), "decode must return one score per polygon"
        assert ((scores >= 0) & (scores <= 1)).all(), f"scores must be from 0 to 1, not {scores}"
        for polygon in found.polygons:
            assert polygon.dtype == np.float32, f"polygons must be float32, not {polygon.dtype}"
            assert polygon.shape == (len(polygon), 2), (
                f"polygons must have the shape (points, 2), not {polygon.shape}"
            )
            assert len(polygon) >= 3, f"polygons must have at least 3 points, not {len(polygon)}"
            inside = (polygon >= 0).all() and (polygon <= (width, height)).all()
            assert inside, f"polygons must lie within the {width} x {height} pixels of the image: {polygon}"
