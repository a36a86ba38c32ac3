"""Light. Text in memory: the order of writing from right to left, and characters that terminals obey."""
