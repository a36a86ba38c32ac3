"""Images of words and lines with their texts in lists or in files beside them."""
