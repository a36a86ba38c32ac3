"""Heavy (torch). Checkpoint files: writing, reading, resuming, initializing weights."""
