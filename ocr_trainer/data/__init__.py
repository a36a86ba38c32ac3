"""Heavy (torch). Samples and batches, images, geometry, splits, loaders, workers and seeding."""
