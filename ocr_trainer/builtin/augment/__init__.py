"""Heavy (OpenCV). The built-in augmentations."""
