"""Light until used. The only place that relies on private parts of Hydra, torch and Lightning.

One module per library. Each function names what it relies on; tests/internals says in words what moved when
a new version moves it. `TRIED` lists the versions the tests ran with; the ranges in pyproject.toml match.
"""

TRIED = {
    "hydra-core": ("1.3.2", "1.3.8"),
    "omegaconf": ("2.3.0", "2.3.1"),
    "lightning": ("2.6.6", "2.6.6"),
    "torch": ("2.13.0", "2.14.1"),
}
"""The oldest and the newest version of each library that the tests ran with."""
