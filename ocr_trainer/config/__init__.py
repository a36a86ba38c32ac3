"""Light. The typed configuration of a run: composed by Hydra, converted, validated, guarded."""
