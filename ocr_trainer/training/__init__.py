"""The heavy half: the only part of the core that imports torch and lightning."""
