"""LMDBs of images and their texts."""
