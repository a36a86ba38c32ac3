from ocr_trainer.testing import AugmentationSuite

SPATIAL = "[{name: Affine, rotate: [-20, 20], scale: [0.7, 1.2], p: 1}, {name: Perspective, p: 1}]"


class TestAlbumentations(AugmentationSuite):
    name = "albumentations"
    overrides = (
        "augment.steps.albumentations.transforms=[{name: RandomShadow, p: 1}, {name: ISONoise, p: 1}]",
    )


class TestSpatial(AugmentationSuite):
    name = "albumentations"
    overrides = (f"augment.steps.albumentations.transforms={SPATIAL}",)


class TestTexts(AugmentationSuite):
    name = "albumentations"
    overrides = ("model=crnn", f"augment.steps.albumentations.transforms={SPATIAL}")
