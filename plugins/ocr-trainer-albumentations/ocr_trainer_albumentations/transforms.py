"""Which transforms of albumentations 2.0.8 can be used. Standard library only."""

from __future__ import annotations

_PIXEL = """
    AdditiveNoise AdvancedBlur AutoContrast Blur CLAHE ChannelDropout ChannelShuffle ChromaticAberration
    CoarseDropout ColorJitter Defocus Downscale Emboss Equalize Erasing FancyPCA GaussNoise GaussianBlur
    GlassBlur GridDropout HEStain HueSaturationValue ISONoise Illumination ImageCompression InvertImg
    MedianBlur MotionBlur MultiplicativeNoise NoOp PixelDropout PlanckianJitter PlasmaBrightnessContrast
    PlasmaShadow Posterize RGBShift RandomBrightnessContrast RandomFog RandomGamma RandomGravel RandomRain
    RandomShadow RandomSnow RandomSunFlare RandomToneCurve RingingOvershoot SaltAndPepper Sharpen ShotNoise
    Solarize Spatter Superpixels ToGray ToSepia UnsharpMask XYMasking ZoomBlur
"""
PIXEL = tuple(_PIXEL.split())
"""Transforms that move no pixel."""
_SPATIAL = """
    Affine CenterCrop Crop CropAndPad D4 HorizontalFlip LongestMaxSize Morphological Pad PadIfNeeded
    Perspective RandomCrop RandomCropFromBorders RandomResizedCrop RandomRotate90 RandomScale RandomSizedCrop
    Resize Rotate SafeRotate ShiftScaleRotate SmallestMaxSize SquareSymmetry Transpose VerticalFlip
"""
SPATIAL = tuple(_SPATIAL.split())
"""Transforms after which polygons lie within 1.5 pixels of their texts; the tests measure it."""
COMPOSITION = "OneOf"
"""A choice among `transforms`."""

REASONS = {
    "polygons would not follow: it moves points by whole pixels, and only those within the image": """
    ElasticTransform GridDistortion GridElasticDeform OpticalDistortion PiecewiseAffine RandomGridShuffle
    ThinPlateSpline
    """,
    "it needs other images, boxes or masks, which a run does not pass to it": """
    AtLeastOneBBoxRandomCrop BBoxSafeRandomCrop ConstrainedCoarseDropout CropNonEmptyMaskIfExists FDA
    HistogramMatching MaskDropout Mosaic OverlayElements PixelDistributionAdaptation RandomCropNearBBox
    RandomSizedBBoxSafeCrop TextImage
    """,
    "it changes the type of the image, which must stay uint8": "FromFloat Normalize ToFloat ToRGB ToTensorV2",
}
UNUSABLE = {name: reason for reason, names in REASONS.items() for name in names.split()}
"""Why the other transforms of images cannot be used."""
