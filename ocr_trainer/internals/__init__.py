"""Light until used. The only package that relies on private parts of Hydra, torch and Lightning.

One module per library. Each function names what it relies on. If a new version moves it, a test in
tests/internals fails and says what moved. `TRIED` lists the tested versions; pyproject.toml has the same
ranges.
"""

TRIED = {
    "hydra-core": ("1.3.2", "1.3.8"),
    "omegaconf": ("2.3.0", "2.3.1"),
    "lightning": ("2.6.6", "2.6.6"),
    "torch": ("2.13.0", "2.14.1"),
}
"""The oldest and the newest tested version of each library."""
