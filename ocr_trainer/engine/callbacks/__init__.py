"""Heavy (lightning). Callbacks of the training loop: progress, sanity checks, non-finite steps, memory."""
