"""Light. Run directories: creating, locking and resuming them; signals, SLURM and timing."""
