"""Heavy (torch, lightning). What each task trains and how it is scored: detection and recognition."""
