"""Heavy (torch). Checkpoint files: writing, reading, resuming, and initializing weights from them."""
