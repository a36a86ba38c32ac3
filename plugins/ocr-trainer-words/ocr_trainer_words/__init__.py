"""Images of words and lines with their texts, in lists or beside them."""
