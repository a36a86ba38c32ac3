"""Light until used. One package per task: its configuration (light), and its training and scoring (heavy)."""
