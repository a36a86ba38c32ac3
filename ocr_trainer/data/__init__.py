"""Heavy (torch). Samples, batches, images, geometry, splits, loaders, workers and seeding."""
