"""Heavy (torch). The plugins that come with the core, through the same door as a stranger's."""
