"""Heavy (torch). The plugins of the core, through the same interface as third-party plugins."""
