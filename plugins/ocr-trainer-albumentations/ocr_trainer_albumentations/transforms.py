"""Which transforms of albumentations 2.0.8 can be used. Standard library only."""

from __future__ import annotations

PIXEL = (
    *("AdditiveNoise", "AdvancedBlur", "AutoContrast", "Blur", "CLAHE", "ChannelDropout", "ChannelShuffle"),
    *("ChromaticAberration", "CoarseDropout", "ColorJitter", "Defocus", "Downscale", "Emboss", "Equalize"),
    *("Erasing", "FancyPCA", "GaussNoise", "GaussianBlur", "GlassBlur", "GridDropout", "HEStain"),
    *("HueSaturationValue", "ISONoise", "Illumination", "ImageCompression", "InvertImg", "MedianBlur"),
    *("MotionBlur", "MultiplicativeNoise", "NoOp", "PixelDropout", "PlanckianJitter"),
    *("PlasmaBrightnessContrast", "PlasmaShadow", "Posterize", "RGBShift", "RandomBrightnessContrast"),
    *("RandomFog", "RandomGamma", "RandomGravel", "RandomRain", "RandomShadow", "RandomSnow"),
    *("RandomSunFlare", "RandomToneCurve", "RingingOvershoot", "SaltAndPepper", "Sharpen", "ShotNoise"),
    *("Solarize", "Spatter", "Superpixels", "ToGray", "ToSepia", "UnsharpMask", "XYMasking", "ZoomBlur"),
)
"""Transforms that move no pixel."""
SPATIAL = (
    *(
        "Affine",
        "CenterCrop",
        "Crop",
        "CropAndPad",
        "D4",
        "HorizontalFlip",
        "LongestMaxSize",
        "Morphological",
    ),
    *("Pad", "PadIfNeeded", "Perspective", "RandomCrop", "RandomCropFromBorders", "RandomResizedCrop"),
    *("RandomRotate90", "RandomScale", "RandomSizedCrop", "Resize", "Rotate", "SafeRotate"),
    *("ShiftScaleRotate", "SmallestMaxSize", "SquareSymmetry", "Transpose", "VerticalFlip"),
)
"""Transforms after which polygons lie within 1.5 pixels of their texts; the tests measure it."""
COMPOSITIONS = ("OneOf", "SomeOf", "Sequential")
"""Groups of `transforms`."""

BENDING = "polygons would not follow: it moves points by whole pixels, and only those within the image"
REFERENCE = "it needs other images, boxes or masks, which a run does not pass to it"
FORMAT = "it changes the type of the image, which must stay uint8 RGB"
UNUSABLE = {
    **dict.fromkeys(
        (
            *(
                "ElasticTransform",
                "GridDistortion",
                "GridElasticDeform",
                "OpticalDistortion",
                "PiecewiseAffine",
            ),
            *("RandomGridShuffle", "ThinPlateSpline"),
        ),
        BENDING,
    ),
    **dict.fromkeys(
        (
            *("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "ConstrainedCoarseDropout"),
            *("CropNonEmptyMaskIfExists", "FDA", "HistogramMatching", "MaskDropout", "Mosaic"),
            *("OverlayElements", "PixelDistributionAdaptation", "RandomCropNearBBox"),
            *("RandomSizedBBoxSafeCrop", "TextImage"),
        ),
        REFERENCE,
    ),
    **dict.fromkeys(("FromFloat", "Normalize", "ToFloat", "ToRGB", "ToTensorV2"), FORMAT),
}
"""Why the other transforms of images cannot be used."""
