"""The transforms of albumentations as an augmentation."""
