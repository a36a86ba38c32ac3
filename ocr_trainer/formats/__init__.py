"""Reading annotated images: what dataset plugins are made of."""
