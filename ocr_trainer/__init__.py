"""Train OCR models by name. Nothing is imported before the configuration selects it.

Start reading at `cli/main.py`; docs/architecture.md explains the packages.
"""
