"""Heavy (lightning). Callbacks of the training loop: progress, sanity checks, nonfinite steps, memory."""
