"""Light until used. Each task is a package: its configuration (light), and what trains and scores it (heavy)."""
