"""Heavy (torch). Checkpoint files: writing, reading, resuming from them, and initializing weights from them."""
