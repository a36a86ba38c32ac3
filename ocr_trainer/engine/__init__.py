"""Heavy (torch, lightning). Training a model: build, fit, test, report."""
